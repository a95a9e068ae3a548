/**
 * A report: one HTML page that holds everything it shows, for a reader with nothing but a browser. No script, no network;
 * SVG stands in the page, pictures are data URIs, light or dark follows the reader's system, and what is wider than a
 * telephone scrolls inside its own frame. All text is escaped; SVG that could act (scripts, handlers, links out) is
 * refused, since figures are pasted as they are.
 */
import { UsageError } from '../devices/errors.ts';
import { plainLines } from '../devices/plain-text.ts';
import { STYLE } from './html.style.ts';

/** A paragraph, or a few separated by empty lines. */
export interface TextBlock {
  kind: 'text';
  text: string;
}

/** Divides a long section. */
export interface HeadingBlock {
  kind: 'heading';
  text: string;
}

/** Something to copy: a command, a log. */
export interface CodeBlock {
  kind: 'code';
  text: string;
}

/** A few numbers that matter most, shown large. */
export interface FactsBlock {
  kind: 'facts';
  facts: readonly { name: string; value: string | number; detail?: string }[];
}

/** A chart (an SVG text, see `figure`) or a picture (a PNG file) with its caption. */
export type FigureBlock = { kind: 'figure'; caption: string } & (
  | { svg: string }
  | {
      png: Uint8Array;
      /** For readers who cannot see it; the caption by default. */
      alt?: string;
      /** Width in CSS pixels, at most. */
      width?: number;
    }
);

/** Small pictures in rows, each with its own caption. */
export interface GalleryBlock {
  kind: 'gallery';
  pictures: readonly { png: Uint8Array; caption: string; alt?: string }[];
  caption?: string;
  /** Width of a picture in CSS pixels. */
  width?: number;
}

/** Numbers stand to the right in columns of numbers. */
export interface TableBlock {
  kind: 'table';
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
  caption?: string;
}

/** Pictures in rows and columns that have names: the first column names the row, the last may tell of it. */
export interface PictureTableBlock {
  kind: 'pictures';
  columns: readonly string[];
  rows: readonly {
    readonly name: string;
    readonly pictures: readonly { png: Uint8Array; caption: string }[];
    readonly remark?: string;
  }[];
  caption?: string;
  /** Width of a picture in CSS pixels. Default 56. */
  width?: number;
}

export type Block =
  | TextBlock
  | HeadingBlock
  | CodeBlock
  | FactsBlock
  | FigureBlock
  | GalleryBlock
  | TableBlock
  | PictureTableBlock;

export interface Section {
  title: string;
  blocks: readonly Block[];
}

export interface Report {
  title: string;
  /** What, on what, when: one line below the title. */
  subtitle?: string;
  /** Something a reader must not miss ("sample data"), in a box above everything. */
  notice?: string;
  sections: readonly Section[];
}

/**
 * The report as a complete HTML document.
 *
 * @throws UsageError for SVG that is none, or that holds a script, an event handler or a link to elsewhere
 */
export function htmlReport({ title, subtitle, notice, sections }: Report): string {
  const id = (index: number): string => `section-${index + 1}`;
  const contents = sections.map(
    (section, index) => `<li><a href="#${id(index)}">${escapeHtml(section.title)}</a></li>`,
  );
  const bodies = sections.map(
    (section, index) =>
      `<section id="${id(index)}">\n<h2>${escapeHtml(section.title)}</h2>\n${section.blocks.map(renderBlock).join('\n')}\n</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
${subtitle === undefined ? '' : `<p class="subtitle">${escapeHtml(subtitle)}</p>`}
${notice === undefined ? '' : `<p class="notice" role="note">${escapeHtml(notice)}</p>`}
</header>
${sections.length > 1 ? `<nav aria-label="Contents"><ul>${contents.join('')}</ul></nav>` : ''}
<main>
${bodies.join('\n')}
</main>
</body>
</html>
`;
}

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'text':
      return block.text
        .split(/\n\s*\n/)
        .map(paragraph => `<p>${escapeHtml(paragraph)}</p>`)
        .join('\n');
    case 'heading':
      return `<h3>${escapeHtml(block.text)}</h3>`;
    case 'code':
      return `<pre tabindex="0"><code>${escapeHtml(block.text)}</code></pre>`;
    case 'facts':
      return renderFacts(block);
    case 'figure':
      return renderFigure(block);
    case 'gallery':
      return renderGallery(block);
    case 'table':
      return renderTable(block);
    case 'pictures':
      return renderPictures(block);
  }
}

function renderFacts({ facts }: FactsBlock): string {
  const entries = facts.map(
    ({ name, value, detail }) =>
      `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}${
        detail === undefined ? '' : `<small>${escapeHtml(detail)}</small>`
      }</dd></div>`,
  );
  return `<dl class="facts">${entries.join('')}</dl>`;
}

function renderFigure(block: FigureBlock): string {
  const caption = `<figcaption>${escapeHtml(block.caption)}</figcaption>`;
  if ('svg' in block) {
    const svg = checkSvg(block.svg);
    const width = /^<svg[^>]*\swidth="([\d.]+)"/.exec(svg)?.[1] ?? '0';
    return `<figure><div class="scroll" tabindex="0" style="--width:${width}">${svg}</div>${caption}</figure>`;
  }
  const width = block.width === undefined ? '' : ` width="${Math.round(block.width)}"`;
  return `<figure><div class="scroll">${image(block.png, block.alt ?? block.caption, width)}</div>${caption}</figure>`;
}

function renderGallery({ pictures, caption, width = 112 }: GalleryBlock): string {
  const items = pictures.map(
    picture =>
      `<li>${image(picture.png, picture.alt ?? picture.caption, ` width="${Math.round(width)}"`)}<span>${escapeHtml(picture.caption)}</span></li>`,
  );
  const list = `<ul class="gallery" style="--picture:${Math.round(width)}px">${items.join('')}</ul>`;
  return `<figure>${list}${caption === undefined ? '' : `<figcaption>${escapeHtml(caption)}</figcaption>`}</figure>`;
}

function renderTable({ columns, rows, caption }: TableBlock): string {
  const isNumber = columns.map((_, column) => rows.length > 0 && rows.every(row => isNumeric(row[column])));
  const cell = (tag: 'th' | 'td', content: string | number | undefined, column: number): string =>
    `<${tag}${tag === 'th' ? ' scope="col"' : ''}${isNumber[column] ? ' class="number"' : ''}>${escapeHtml(String(content ?? ''))}</${tag}>`;
  const head = columns.map((name, column) => cell('th', name, column)).join('');
  const body = rows.map(row => `<tr>${columns.map((_, column) => cell('td', row[column], column)).join('')}</tr>`);
  return `<div class="scroll" tabindex="0"><table>${
    caption === undefined ? '' : `<caption>${escapeHtml(caption)}</caption>`
  }<thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function renderPictures({ columns, rows, caption, width = 56 }: PictureTableBlock): string {
  const most = Math.max(0, ...rows.map(({ pictures }) => pictures.length));
  const head = columns.map(name => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const cell = ({ png, caption: words }: { png: Uint8Array; caption: string }): string =>
    `<td>${image(png, words, ` width="${Math.round(width)}"`)}<br><small>${escapeHtml(words)}</small></td>`;
  const body = rows.map(({ name, pictures, remark = '' }) => {
    const empty = '<td></td>'.repeat(most - pictures.length);
    return `<tr><th scope="row">${escapeHtml(name)}</th>${pictures.map(cell).join('')}${empty}<td>${escapeHtml(remark)}</td></tr>`;
  });
  return `<div class="scroll" tabindex="0"><table>${
    caption === undefined ? '' : `<caption>${escapeHtml(caption)}</caption>`
  }<thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

/** A number, or text that is one with a sign, a unit, an interval, or a dash in its place. */
function isNumeric(content: string | number | undefined): boolean {
  return typeof content === 'number' || /^[\s\d.,+\-−–±×%()[\]e]*$/.test(content ?? '');
}

function image(png: Uint8Array, alt: string, attributes: string): string {
  return `<img src="data:image/png;base64,${base64(png)}" alt="${escapeHtml(alt)}"${attributes}>`;
}

/**
 * Text made safe for element contents and for attributes in double or single quotes. Control characters and those that turn
 * the direction of writing are written out, so that a file's name is shown as it is.
 */
export function escapeHtml(text: string): string {
  return plainLines(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Bytes in base64, in Node and in a browser. */
export function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}

const FORBIDDEN: readonly [RegExp, string][] = [
  [/<\s*(script|foreignObject|iframe|object|embed|use|a|animate|set)\b/i, 'an element that can act or load'],
  // A picture may be part of a drawing if it is here: PNG in base64.
  [/<\s*image\b[^>]*href\s*=\s*(?!"data:image\/png;base64,[A-Za-z0-9+/=]*")/i, 'a picture from elsewhere'],
  [/<[^>]*\son\w+\s*=/i, 'an event handler'],
  [/javascript:|url\(\s*['"]?(?!#)|@import/i, 'a link to elsewhere'],
];

function checkSvg(svg: string): string {
  const trimmed = svg.trim();
  if (!/^<svg[\s>]/.test(trimmed) || !trimmed.endsWith('</svg>')) {
    throw new UsageError('A figure of a report must be one <svg> element.');
  }
  for (const [pattern, what] of FORBIDDEN) {
    if (pattern.test(trimmed)) throw new UsageError(`The SVG of a figure holds ${what}; a report shows only drawings.`);
  }
  return trimmed;
}
