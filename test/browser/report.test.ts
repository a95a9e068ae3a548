/**
 * The report of a real run, as a reader opens it: from the disk, without a network, on a screen and on a telephone, by day
 * and by night. Skips by name where no browser starts.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from '../support/shared.ts';
import { findBrowser } from './chromium.ts';

const { browser, absent } = await findBrowser();
const folder = mkdtempSync(join(tmpdir(), 'weft-report-'));
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const LIMIT = 10_000_000;

describe.skipIf(!browser)(`the report in a browser${absent}`, () => {
  const page = join(folder, 'run', 'report.html');
  let chapters: string[];
  let missing: Record<string, string>;

  beforeAll(async () => {
    const main = join(REPOSITORY, 'src/cli/main.ts');
    const sample = join(REPOSITORY, 'assets/fashion-mnist-sample');
    await promisify(execFile)(
      process.execPath,
      [
        ...['--import', 'tsx', main, 'run', '--settings', 'smoke', '--limit', '240', '--data', sample],
        ...['--device', 'wasm', '--out', join(folder, 'run')],
      ],
      // One thread: the networks are tiny, and tests share the processor with each other.
      { cwd: REPOSITORY, env: { ...process.env, WEFT_THREADS: '1' } },
    );
    ({ chapters, missing } = JSON.parse(readFileSync(join(folder, 'run', 'report', 'report.json'), 'utf8')));
    // Some seconds where nothing else is at work.
  }, 900_000);

  test('no chapter is missing, and it is not too large', () => {
    expect(missing).toEqual({});
    expect(statSync(page).size).toBeLessThan(LIMIT);
    expect(chapters.length).toBeGreaterThan(6);
  });

  describe.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('%i pixels wide, %s', (width, colorScheme) => {
    test('opens without an error or a request, fits, and every figure has its words', async () => {
      const context = await browser!.newContext({ viewport: { width, height: 900 }, colorScheme, offline: true });
      try {
        const tab = await context.newPage();
        const complaints: string[] = [];
        const requests: string[] = [];
        tab.on('console', message => {
          if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
        });
        tab.on('pageerror', error => complaints.push(String(error)));
        tab.on('request', request => {
          if (!request.url().startsWith('data:')) requests.push(request.url());
        });
        await tab.goto(pathToFileURL(page).href);
        expect(complaints).toEqual([]);
        expect(requests).toEqual([pathToFileURL(page).href]);

        const seen = await tab.evaluate(() => {
          const text = (element: Element | null) => element?.textContent?.trim() ?? '';
          const headings = [...document.querySelectorAll('h2')].map(text);
          const words = (figure: Element) => text(figure.querySelector('figcaption'));
          // A chart is one picture, though it is put together of several.
          const pictures = 'svg:not(svg svg), img';
          const wordless = [...document.querySelectorAll('figure')].filter(figure => {
            const hasName = [...figure.querySelectorAll(pictures)].every(
              picture => (picture.getAttribute('alt') ?? picture.getAttribute('aria-label') ?? '') !== '',
            );
            return words(figure).length < 20 || !hasName;
          });
          const empty = [...document.querySelectorAll('figure svg, figure img')].filter(picture => {
            const { width: across, height: down } = picture.getBoundingClientRect();
            return across < 8 || down < 8 || (picture instanceof HTMLImageElement && picture.naturalWidth === 0);
          });
          const dead = [...document.querySelectorAll('nav a')].filter(
            link => !document.querySelector(link.getAttribute('href')!),
          );
          const colors = getComputedStyle(document.body);
          return {
            headings,
            figures: document.querySelectorAll('figure').length,
            wordless: wordless.map(words),
            empty: empty.map(picture => picture.outerHTML.slice(0, 80)),
            dead: dead.map(text),
            overflow: document.documentElement.scrollWidth - window.innerWidth,
            ground: colors.backgroundColor,
            ink: colors.color,
          };
        });
        for (const chapter of chapters) expect(seen.headings).toContain(chapter);
        expect(seen.figures).toBeGreaterThan(20);
        expect(seen.wordless).toEqual([]);
        expect(seen.empty).toEqual([]);
        expect(seen.dead).toEqual([]);
        expect(seen.overflow).toBeLessThanOrEqual(0);
        const light = (color: string) => Number(/\d+/.exec(color)![0]) > 128;
        expect(light(seen.ground)).toBe(colorScheme === 'light');
        expect(light(seen.ink)).toBe(colorScheme === 'dark');
      } finally {
        await context.close();
      }
    });
  });
});
