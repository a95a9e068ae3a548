/** The CPU device in a page: with threads where the page allows workers, on one thread and saying why where it does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBrowser } from './chromium.ts';
import { type PageServer, servePage } from './page-server.ts';

const { browser, absent } = await findBrowser();

const PROGRAM = `
  import { matmul, openDevice, tensor } from './src/index.ts';
  window.result = (async () => {
    const device = await openDevice('wasm');
    const x = tensor([1, 2, 3, 4], [2, 2], { device });
    return { description: device.info.description, product: [...(await matmul(x, x).data())] };
  })().catch(error => ({ description: String(error), product: [] }));
`;

let server: PageServer;
beforeAll(async () => {
  server = await servePage(PROGRAM);
});
afterAll(async () => {
  await browser?.close();
  await server.close();
});

describe.skipIf(!browser)(`a page's policy${absent}`, () => {
  test.each([
    ["default-src 'self' 'wasm-unsafe-eval'; worker-src blob:", /SIMD on ([2-9]|1\d) threads \(/],
    ["default-src 'self' 'wasm-unsafe-eval'", /SIMD on 1 thread, because .* the page forbids workers from blob:/],
  ])('%s', async (wanted, expected) => {
    server.policy = wanted;
    const page = await browser!.newPage();
    try {
      await page.goto(server.url);
      // Evaluated by the debugger, which the page's policy does not bind; waitForFunction would be.
      const seen = await page.evaluate(async () => {
        const page = window as unknown as { result?: Promise<{ description: string; product: number[] }> };
        while (!page.result) await new Promise(resolve => setTimeout(resolve, 10));
        return page.result;
      });
      const { description, product } = seen;
      expect(description).toMatch(expected);
      expect(product).toEqual([7, 10, 15, 22]);
    } finally {
      await page.close();
    }
  });
});
