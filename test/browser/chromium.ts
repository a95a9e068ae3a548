/**
 * A browser to look at pages with: what CHROMIUM names, the one packed in the dev-dependency `@sparticuz/chromium` (unpacked
 * once into node_modules/.cache, with the libraries and fonts it wants where the machine has none), or an installed one. The
 * first that starts is taken.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';
import { REPOSITORY } from '../support/shared.ts';

const INSTALLED = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export interface FoundBrowser {
  readonly browser: Browser | undefined;
  /** What a skipped test adds to its name. */
  readonly absent: string;
}

/** Starts the first browser that will start. */
export async function findBrowser(): Promise<FoundBrowser> {
  const reasons: string[] = [];
  const candidates: [string, () => Promise<{ path: string; environments: Record<string, string>[] }>][] = [
    ...(process.env.CHROMIUM ? [['CHROMIUM', async () => at(process.env.CHROMIUM!)] as const] : []),
    ['@sparticuz/chromium', unpackChromium],
    ...INSTALLED.filter(path => existsSync(path)).map(path => [path, async () => at(path)] as const),
  ].map(([name, find]) => [name as string, find as () => ReturnType<typeof unpackChromium>]);
  for (const [name, find] of candidates) {
    try {
      const { path, environments } = await find();
      for (const [attempt, environment] of environments.entries()) {
        try {
          const env = { ...process.env, ...environment } as Record<string, string>;
          const browser = await chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu'], env });
          return { browser, absent: '' };
        } catch (error) {
          if (attempt === environments.length - 1) throw error;
        }
      }
    } catch (error) {
      reasons.push(`${name}: ${String(error).split('\n')[0]}`);
    }
  }
  return { browser: undefined, absent: ` (skipped: no browser starts; ${reasons.join('; ')})` };
}

const at = (path: string) => ({ path, environments: [{}] });

/** Unpacks the packed browser, once per version of the package. */
async function unpackChromium() {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('the packed one is for Linux on x64');
  const packed = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'))));
  const { version } = JSON.parse(readFileSync(join(packed, 'package.json'), 'utf8'));
  const cache = join(REPOSITORY, 'node_modules', '.cache', 'weft-chromium');
  const folder = join(cache, version);
  if (!existsSync(folder)) {
    const { tarEntries } = await import(new URL('../vulkan.mjs', import.meta.url).href);
    mkdirSync(cache, { recursive: true });
    const partial = mkdtempSync(join(cache, 'unpacking-'));
    const read = (name: string) => brotliDecompressSync(readFileSync(join(packed, 'bin', name)));
    writeFileSync(join(partial, 'chromium'), read('chromium.br'), { mode: 0o755 });
    for (const archive of ['al2023.tar.br', 'fonts.tar.br']) {
      for (const { name, contents } of tarEntries(read(archive))) {
        mkdirSync(dirname(join(partial, name)), { recursive: true });
        writeFileSync(join(partial, name), contents);
      }
    }
    try {
      renameSync(partial, folder);
    } catch (error) {
      // Another run put it in place meanwhile, which is just as good.
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    }
  }
  const own = [join(folder, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  return {
    path: join(folder, 'chromium'),
    // The machine's own libraries and fonts where it has them.
    environments: [{}, { LD_LIBRARY_PATH: own, FONTCONFIG_PATH: folder }] as Record<string, string>[],
  };
}
