/** The history of writes against an array with one number per byte. */
import { expect, test } from 'vitest';
import { WriteHistory } from '../../src/devices/versions.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

test('knows when each range was last written, whatever overlaps what', () => {
  const random = new PhiloxStream(1, 2);
  const upTo = (most: number) => Math.floor(random.uniform() * most);
  for (let round = 0; round < 200; round++) {
    const bytes = 1 + upTo(40);
    const history = new WriteHistory(bytes, undefined);
    const expected = new Array<number>(bytes).fill(0);
    for (let time = 1; time <= 30; time++) {
      const start = upTo(bytes);
      const end = start + 1 + upTo(bytes - start);
      history.mark(start, end, time);
      expected.fill(time, start, end);
      expect(history.last).toBe(time);
      const from = upTo(bytes);
      const to = from + 1 + upTo(bytes - from);
      expect(history.lastIn(from, to)).toBe(Math.max(...expected.slice(from, to)));
      const moment = upTo(time + 1);
      const since = new Array<number>(bytes).fill(0);
      for (const range of history.since(moment)) since.fill(range.time, range.start, range.end);
      expect(since).toEqual(expected.map(written => (written > moment ? written : 0)));
    }
  }
});
