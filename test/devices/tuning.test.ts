/** Which of two tables decides, the one measured here or the one that came with the package; and those that come with it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  readShippedTuning,
  readTuning,
  SHIPPED_TUNING,
  type TunedChoice,
  type TuningTable,
  tunedChoices,
  tuningFile,
  writeTuning,
} from '../../src/devices/tuning.node.ts';
import { KERNELS } from '../../src/kernels/by-name.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-tables-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ADAPTER = 'webgpu / vendor / Some GPU (driver 1.2)';
const environment = { WEFT_CACHE: join(folder, 'cache') };
const shipped = join(folder, 'shipped');
const choice = (variant: string): TunedChoice => ({ variant, milliseconds: 1, untuned: 2 });

/** Puts a table where the package has its own; `change` spoils its text. */
function ship(choices: Record<string, TunedChoice>, change: (text: string) => string = text => text): void {
  // Written as the tuner writes it, with the package's folder as its cache.
  const elsewhere = { WEFT_CACHE: join(folder, 'elsewhere') };
  const file = writeTuning(ADAPTER, choices, elsewhere);
  mkdirSync(shipped, { recursive: true });
  writeFileSync(join(shipped, basename(file)), change(readFileSync(file, 'utf8')));
  rmSync(elsewhere.WEFT_CACHE, { recursive: true });
}

describe('tables', () => {
  it('the package decides where nothing was measured here; what was measured here goes before it, call by call', () => {
    expect(tunedChoices(ADAPTER, environment, shipped)).toBeUndefined();
    ship({ both: choice('theirs'), theirs: choice('theirs') });
    expect(tunedChoices(ADAPTER, environment, shipped)).toEqual(
      new Map([
        ['both', 'theirs'],
        ['theirs', 'theirs'],
      ]),
    );
    writeTuning(ADAPTER, { both: choice('ours'), ours: choice('ours') }, environment);
    expect(tunedChoices(ADAPTER, environment, shipped)).toEqual(
      new Map([
        ['both', 'ours'],
        ['theirs', 'theirs'],
        ['ours', 'ours'],
      ]),
    );
    // What came with the package is not taken for something that was measured here.
    expect(Object.keys(readTuning(ADAPTER, environment)!.choices)).toEqual(['both', 'ours']);
  });

  it('a table of another version, of another adapter or damaged is passed over, and the other one decides alone', () => {
    const theirs = { both: choice('theirs') };
    writeTuning(ADAPTER, { both: choice('ours') }, environment);
    for (const spoil of [
      (text: string) => text.replace('"version": 1', '"version": 0'),
      (text: string) => text.replace('driver 1.2', 'driver 1.3'),
      (text: string) => text.slice(0, 30),
    ]) {
      ship(theirs, text => {
        expect(spoil(text)).not.toBe(text);
        return spoil(text);
      });
      expect(readShippedTuning(ADAPTER, shipped)).toBeUndefined();
      expect(tunedChoices(ADAPTER, environment, shipped)?.get('both')).toBe('ours');
      ship(theirs);
      const file = tuningFile(ADAPTER, environment);
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, spoil(text));
      expect(tunedChoices(ADAPTER, environment, shipped)).toEqual(new Map([['both', 'theirs']]));
      writeFileSync(file, text);
    }
  });
});

describe('what comes with the package', () => {
  const files = existsSync(SHIPPED_TUNING) ? readdirSync(SHIPPED_TUNING).filter(file => file.endsWith('.json')) : [];

  // A package without tables has nothing to test.
  it.skipIf(files.length === 0)(
    'is found by its adapter, names variants that there are, beats the untuned ones',
    () => {
      for (const file of files) {
        const { adapter } = JSON.parse(readFileSync(join(SHIPPED_TUNING, file), 'utf8')) as TuningTable;
        const table = readShippedTuning(adapter);
        expect(table, file).toMatchObject({ adapter });
        const form = adapter.startsWith('wasm') ? 'wasm' : 'wgsl';
        for (const [key, { variant, milliseconds, untuned }] of Object.entries(table!.choices)) {
          const kernel = KERNELS.get(key.split(' ')[0]);
          expect(kernel?.[form].map(({ name }) => name) ?? [], key).toContain(variant);
          expect(milliseconds, key).toBeLessThan(untuned);
        }
      }
    },
  );
});
