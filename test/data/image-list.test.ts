/** Lists of images by their numbers: what is read, and that nothing is read that names no image. */
import { describe, expect, it, test } from 'vitest';
import { parseImageIndices } from '../../src/data/index.ts';
import { DataError } from '../../src/devices/errors.ts';

const read = (text: string): number[] => [...parseImageIndices(text, 'LIST', 100)];

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error('It was read.');
}

describe('a list of images', () => {
  it.each([
    ['lines with comments', '# doubtful\n7\n  3 # a shirt\r\n\n99\n#5\n'],
    ['a byte order mark, and no last line end', '\ufeff3\n7\n99'],
    ['JSON', ' [99, 3, 7]\n'],
    ['what a run writes down', '{ "images": 3, "indices": [3, 99, 7] }'],
  ])('is read: %s', (_, text) => {
    expect(read(text)).toEqual([3, 7, 99]);
  });

  test('that is bad is refused in one sentence, naming the place', () => {
    expect(refusal('')).toBe('LIST names no images.');
    expect(refusal('# nothing\n')).toBe('LIST names no images.');
    expect(refusal('[]')).toBe('LIST names no images.');
    expect(refusal('1\n\nsix')).toBe('LIST, line 3: "six" is not the number of an image, 0 to 99.');
    expect(refusal('1.5')).toBe('LIST, line 1: "1.5" is not the number of an image, 0 to 99.');
    expect(refusal('-1')).toContain('line 1: "-1" is not the number of an image');
    expect(refusal('1, 2')).toContain('line 1: "1, 2" is not');
    expect(refusal('4\n100')).toBe('LIST, line 2: there is no image 100; the 100 images have the numbers 0 to 99.');
    expect(refusal('4\n5\n# x\n4')).toBe('LIST, line 4: image 4 stands in line 1 already.');
    expect(refusal('[1, "2"]')).toBe('LIST, entry 2: "2" is not the number of an image, 0 to 99.');
    expect(refusal('[1, 1.5]')).toBe('LIST, entry 2: 1.5 is not the number of an image, 0 to 99.');
    expect(refusal('[1, 2, 1]')).toBe('LIST, entry 3: image 1 stands in entry 1 already.');
    expect(refusal('[1, 2')).toMatch(/^LIST begins like JSON and is none: .*\.$/);
    expect(refusal('{"images": 3}')).toBe(
      'LIST must be a JSON list of numbers, or an object whose indices are such a list.',
    );
  });
});
