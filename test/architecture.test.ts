/**
 * The shape of the house, read from the imports (type-only ones count, so do dynamic ones): arrows point one way, no
 * circles, no file or function that is too long, no file that is named for nothing, and Node only where a browser never
 * looks. Every rule is first tried on sources that break it, then on `src/`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SOURCE = fileURLToPath(new URL('../src', import.meta.url));

/** From the floor up; a folder may import its own row's number or lower, but only itself within its row... */
const ROWS: readonly (readonly string[])[] = [
  ['devices'],
  ['kernels'],
  ['tensor'],
  ['autograd'],
  ['nn'],
  ['interop'],
  ['data'],
  ['train'],
  ['explain', 'explore'], // ...so these two do not know each other; both may train and measure
  ['study'],
  ['report'],
  ['cli'],
];
const MOST_LINES = 400;
const EMPTY_NAMES = /^(utils?|helpers?|common|misc)(\.|$)/;
/** Packages that work in Node only. Every built-in module does too, with `node:` or without. */
const NODE_PACKAGES = ['webgpu', 'pngjs', 'commander', 'sharp', 'yauzl'];

interface Import {
  specifier: string;
  /** `import('...')`: may stand behind a question about the platform. */
  dynamic: boolean;
}

/**
 * The source with comments, template literals and regular expressions blanked out (a kernel's WGSL and a worker's program
 * are text, not imports), strings kept. `${...}` goes with its template: nothing is imported there.
 */
function withoutText(source: string): string {
  let out = '';
  let at = 0;
  const skipTemplate = (): void => {
    for (at++; at < source.length && source[at] !== '`'; at++) {
      if (source[at] === '\\') at++;
      else if (source.startsWith('${', at)) {
        let depth = 1;
        for (at += 2; at < source.length && depth > 0; at++) {
          if (source[at] === '{') depth++;
          else if (source[at] === '}') depth--;
          else if (source[at] === '`') skipTemplate();
          else if (source[at] === "'" || source[at] === '"') skipString();
        }
        at--;
      }
    }
  };
  const skipString = (): void => {
    const quote = source[at];
    for (at++; at < source.length && source[at] !== quote && source[at] !== '\n'; at++) if (source[at] === '\\') at++;
  };
  for (; at < source.length; at++) {
    const character = source[at];
    if (source.startsWith('//', at)) {
      at = source.indexOf('\n', at);
      if (at < 0) break;
      out += '\n';
    } else if (source.startsWith('/*', at)) {
      at = source.indexOf('*/', at) + 1;
      out += ' ';
    } else if (character === '`') {
      skipTemplate();
      out += '``';
    } else if (character === "'" || character === '"') {
      const start = at;
      skipString();
      out += source.slice(start, at + 1);
    } else if (character === '/' && /(^|[(,=:[!&|?{};+\n]|\breturn|=>)\s*$/.test(out.slice(-20))) {
      for (at++; at < source.length && source[at] !== '/' && source[at] !== '\n'; at++) {
        if (source[at] === '\\') at++;
        else if (source[at] === '[')
          while (source[at] !== ']' && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1;
      }
      out += '0';
    } else out += character;
  }
  return out;
}

function importsOf(source: string): Import[] {
  const code = withoutText(source);
  const found: Import[] = [];
  const collect = (pattern: RegExp, dynamic: boolean): void => {
    for (const match of code.matchAll(pattern)) found.push({ specifier: match[2], dynamic });
  };
  collect(/\bfrom\s*(['"])(.+?)\1/g, false); // import ... from, import type ... from, export ... from
  collect(/\bimport\s*(['"])(.+?)\1/g, false);
  collect(/\bimport\s*\(\s*(['"])(.+?)\1/g, true); // also the type import('...').T
  collect(/\brequire\s*\(\s*(['"])(.+?)\1/g, false);
  collect(/\bnew\s+URL\s*\(\s*(['"])(\.{1,2}\/.+?\.[jt]s)\1\s*,\s*import\.meta\.url/g, false);
  return found;
}

/** The file of `src/` that a relative specifier means, with `.ts`. */
function resolve(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.');
const isNodeFile = (path: string): boolean => path.endsWith('.node.ts') || path.startsWith('cli/');
const layerOf = (path: string): string | undefined =>
  path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;
const rowOf = (layer: string): number => ROWS.findIndex(row => row.includes(layer));

type Sources = ReadonlyMap<string, string>;

/** Folders without a place, imports that lead nowhere, and imports that point up or sideways. */
function wrongDirections(sources: Sources): string[] {
  const wrong: string[] = [];
  for (const [path, source] of sources) {
    const layer = layerOf(path);
    if (layer !== undefined && rowOf(layer) < 0) wrong.push(`${path} lies in a folder that has no place in the order`);
    for (const { specifier } of importsOf(source)) {
      if (!isRelative(specifier)) continue;
      const target = resolve(path, specifier);
      if (!sources.has(target)) {
        wrong.push(`${path} imports ${specifier}, which is no file of src/`);
        continue;
      }
      // A file at the top of src/ is a package's door: it may show any room but the command line, and no room goes through it.
      const targetLayer = layerOf(target);
      if (layer === undefined) {
        if (targetLayer === 'cli') wrong.push(`${path} imports ${target}`);
      } else if (targetLayer === undefined) {
        wrong.push(`${path} imports the package's own entry ${target}`);
      } else if (targetLayer !== layer && rowOf(targetLayer) >= rowOf(layer)) {
        wrong.push(`${path} imports ${target}: ${layer} may not know ${targetLayer}`);
      }
    }
  }
  return wrong;
}

/** Every group of files that import each other in a circle (Tarjan's strongly connected components). */
function circles(sources: Sources): string[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[] = [];
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    let importsItself = false;
    for (const { specifier } of importsOf(sources.get(path)!)) {
      if (!isRelative(specifier)) continue;
      const target = resolve(path, specifier);
      if (!sources.has(target)) continue;
      if (target === path) importsItself = true;
      if (!index.has(target)) {
        visit(target);
        low.set(path, Math.min(low.get(path)!, low.get(target)!));
      } else if (stack.includes(target)) low.set(path, Math.min(low.get(path)!, index.get(target)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const members = stack.splice(stack.indexOf(path));
    if (members.length > 1 || importsItself) found.push(members.sort().join(' <-> '));
  };
  for (const path of sources.keys()) if (!index.has(path)) visit(path);
  return found;
}

/** Node's modules outside `*.node.ts` and the command line, and statically imported files that need them. */
function nodeInBrowserFiles(sources: Sources): string[] {
  const wrong: string[] = [];
  for (const [path, source] of sources) {
    if (isNodeFile(path)) continue;
    const imports = importsOf(source);
    for (const { specifier, dynamic } of imports) {
      if (isRelative(specifier)) {
        if (!specifier.endsWith('.node.ts')) continue;
        const twin = specifier.replace(/\.node\.ts$/, '.browser.ts');
        const asks = dynamic && imports.some(other => other.dynamic && other.specifier === twin);
        if (!asks) wrong.push(`${path} imports ${specifier}; only import() beside import('${twin}') may`);
      } else {
        const name = specifier.split('/')[0];
        const builtin = specifier.startsWith('node:') || builtinModules.includes(name);
        if (builtin || NODE_PACKAGES.includes(name)) wrong.push(`${path} imports ${specifier}`);
      }
    }
  }
  return wrong;
}

function emptyNames(sources: Sources): string[] {
  return [...sources.keys()].filter(path => path.split('/').some(part => EMPTY_NAMES.test(part)));
}

function longFiles(sources: Sources): string[] {
  const lines = (source: string): number => source.trimEnd().split('\n').length;
  return [...sources]
    .filter(([, source]) => lines(source) > MOST_LINES)
    .map(([path, s]) => `${path}: ${lines(s)} lines`);
}

function readSources(): Sources {
  const entries = readdirSync(SOURCE, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => posix.relative(SOURCE, posix.join(entry.parentPath, entry.name)));
  return new Map(paths.sort().map(path => [path, readFileSync(join(SOURCE, path), 'utf8')]));
}

describe('the rules see what breaks them', () => {
  const sources = (files: Record<string, string>): Sources => new Map(Object.entries(files));
  const A = "import { a } from '../tensor/a.ts';";

  it('reads every kind of import and no text that looks like one', () => {
    const source = `
      // import a from './comment.ts'
      /* import b from './block.ts' */
      import { c } from './c.ts'; import type { d } from "./d.ts";
      import {
        e, type f,
      } from './e.ts';
      import './g.ts';
      export * from './h.ts'; export { i } from './i.ts';
      const wgsl = \`import x from './template.ts'; \${f({ '}': \`from './inner.ts'\` })} from './rest.ts'\`;
      const quote = /['"\`/]from '.\\/regex.ts'/; const half = 1 / 2; const note = 'it\\'s'; const rest = 3 / 4;
      type T = import('./j.ts').T; const k = await import('./k.ts');
      const l = new URL('./l.ts', import.meta.url); const data = new URL('../assets', import.meta.url);
    `;
    const found = importsOf(source).map(({ specifier }) => specifier);
    expect(found.sort()).toEqual('cdeghijkl'.split('').map(name => `./${name}.ts`));
  });

  it('up, sideways, through the door, and to nowhere', () => {
    expect(wrongDirections(sources({ 'devices/b.ts': A, 'tensor/a.ts': '' }))).toHaveLength(1);
    expect(
      wrongDirections(sources({ 'devices/b.ts': "import type { A } from '../tensor/a.ts'", 'tensor/a.ts': '' })),
    ).toHaveLength(1);
    expect(wrongDirections(sources({ 'explain/b.ts': "import '../explore/a.ts'", 'explore/a.ts': '' }))).toHaveLength(
      1,
    );
    expect(wrongDirections(sources({ 'explain/b.ts': "import '../explore/a.ts'", 'explore/a.ts': '' }))).toHaveLength(
      1,
    );
    expect(wrongDirections(sources({ 'nn/b.ts': "import '../index.ts'", 'index.ts': '' }))).toHaveLength(1);
    expect(wrongDirections(sources({ 'nn/b.ts': "import './missing.ts'" }))).toHaveLength(1);
    expect(wrongDirections(sources({ 'odds/b.ts': '' }))).toHaveLength(1);
    expect(wrongDirections(sources({ 'nn/b.ts': A, 'nn/deep/c.ts': "import '../b.ts'", 'tensor/a.ts': '' }))).toEqual(
      [],
    );
    expect(
      wrongDirections(
        sources({
          'explore/b.ts': "import '../train/a.ts'",
          'train/a.ts': '',
          'index.ts': "export * from './train/a.ts'",
        }),
      ),
    ).toEqual([]);
  });

  it('circles of two, of three, and of types', () => {
    const toB = "import './b.ts'";
    const toC = "import type { C } from './c.ts'";
    const toA = "import type { A } from './a.ts'";
    expect(circles(sources({ 'nn/a.ts': toB, 'nn/b.ts': toA }))).toEqual(['nn/a.ts <-> nn/b.ts']);
    expect(circles(sources({ 'nn/a.ts': toB, 'nn/b.ts': toC, 'nn/c.ts': toA }))).toEqual([
      'nn/a.ts <-> nn/b.ts <-> nn/c.ts',
    ]);
    expect(circles(sources({ 'nn/a.ts': toA }))).toHaveLength(1);
    expect(circles(sources({ 'nn/a.ts': `${toB};${toC}`, 'nn/b.ts': toC, 'nn/c.ts': '' }))).toEqual([]);
  });

  it('Node in files that a browser loads', () => {
    const both = "(await import('./x.node.ts')).x; (await import('./x.browser.ts')).x";
    expect(nodeInBrowserFiles(sources({ 'data/a.ts': "import { readFile } from 'node:fs/promises'" }))).toHaveLength(1);
    expect(nodeInBrowserFiles(sources({ 'data/a.ts': "import { readFile } from 'fs/promises'" }))).toHaveLength(1);
    expect(nodeInBrowserFiles(sources({ 'data/a.ts': "import { create } from 'webgpu'" }))).toHaveLength(1);
    expect(nodeInBrowserFiles(sources({ 'data/a.ts': "import { x } from './x.node.ts'" }))).toHaveLength(1);
    expect(nodeInBrowserFiles(sources({ 'data/a.ts': "await import('./x.node.ts')" }))).toHaveLength(1);
    expect(
      nodeInBrowserFiles(
        sources({ 'data/a.ts': both, 'data/b.node.ts': "import 'node:fs'", 'cli/c.ts': "import 'node:fs'" }),
      ),
    ).toEqual([]);
  });
});

describe('src/', () => {
  const sources = readSources();

  it('is read', () => {
    expect(sources.size).toBeGreaterThan(50);
    expect(existsSync(join(SOURCE, 'devices/device.ts'))).toBe(true);
    const edges = [...sources].flatMap(([, source]) => importsOf(source)).length;
    expect(edges).toBeGreaterThan(sources.size);
  });

  it('has arrows that point one way', () => expect(wrongDirections(sources)).toEqual([]));
  it('has no circles', () => expect(circles(sources)).toEqual([]));
  it('keeps Node where a browser never looks', () => expect(nodeInBrowserFiles(sources)).toEqual([]));
  it('names files for what they hold', () => expect(emptyNames(sources)).toEqual([]));
  it(`has no file over ${MOST_LINES} lines`, () => expect(longFiles(sources)).toEqual([]));
});
