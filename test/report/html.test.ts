/** The report page: complete, self-contained, and closed to whatever a text or a figure might carry. */
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import { type Block, base64, escapeHtml, htmlReport } from '../../src/report/html.ts';

const HOSTILE = `<img src=x onerror="alert('1')"> & </title></style>`;
const png = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="460" height="10"><path d="M0,0L1,1"/></svg>';

const page = (...blocks: Block[]) => htmlReport({ title: 'Run', sections: [{ title: 'Section', blocks }] });
const documentOf = (html: string) => parseHTML(html).document;

const everyBlock = (text: string): Block[] => [
  { kind: 'text', text },
  { kind: 'code', text },
  { kind: 'facts', facts: [{ name: text, value: text, detail: text }] },
  { kind: 'figure', svg, caption: text },
  { kind: 'figure', png, caption: text, alt: text, width: 20 },
  { kind: 'gallery', pictures: [{ png, caption: text }], caption: text },
  { kind: 'table', columns: [text], rows: [[text]], caption: text },
];

describe('htmlReport', () => {
  it('escapes every text it is given', () => {
    const html = htmlReport({
      title: HOSTILE,
      subtitle: HOSTILE,
      notice: HOSTILE,
      sections: [
        { title: HOSTILE, blocks: everyBlock(HOSTILE) },
        { title: HOSTILE, blocks: [] },
      ],
    });
    const bare = htmlReport({ title: '', sections: [{ title: '', blocks: everyBlock('') }] });
    const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;
    expect(count(html, /onerror="/g)).toBe(0);
    expect(count(html, /<\/style>/g)).toBe(count(bare, /<\/style>/g));
    expect(count(html, /<img/g)).toBe(2);
    const document = documentOf(html);
    expect(document.querySelector('h1')!.textContent).toBe(HOSTILE);
    for (const selector of [
      '.subtitle',
      '.notice',
      'h2',
      'main p',
      'code',
      'dt',
      'figcaption',
      '.gallery span',
      'caption',
      'th',
      'td',
    ]) {
      expect(document.querySelector(selector)!.textContent, selector).toBe(HOSTILE);
    }
    for (const image of document.querySelectorAll('img')) expect(image.getAttribute('alt')).toBe(HOSTILE);
  });

  it('needs no network and no script', () => {
    const html = page(...everyBlock('text'));
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|<script|<link|@import|src="(?!data:)/,
    );
    expect(html).toContain(`content="default-src 'none'`);
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toContain('name="viewport"');
    expect(html).toContain('prefers-color-scheme: dark');
  });

  it('shows names as they are: nothing turns the direction of writing or is obeyed', () => {
    const html = page({ kind: 'text', text: 'One.\n\nphoto\u202egnp.exe \u001b[2J' });
    expect(html).toContain('<p>photo\\u{202e}gnp.exe \\u{1b}[2J</p>');
  });

  it('links its contents to its sections', () => {
    const sections = ['One', 'Two & more'].map(title => ({ title, blocks: [] }));
    const document = documentOf(htmlReport({ title: 'Run', sections }));
    const links = [...document.querySelectorAll('nav a')];
    expect(links.map(link => link.textContent)).toEqual(['One', 'Two & more']);
    for (const link of links) {
      const target = document.getElementById(link.getAttribute('href')!.slice(1))!;
      expect(target.querySelector('h2')!.textContent).toBe(link.textContent);
    }
  });

  it('keeps pictures byte for byte', () => {
    const source = documentOf(page({ kind: 'figure', png, caption: '' }))
      .querySelector('img')!
      .getAttribute('src')!;
    expect([...Buffer.from(source.replace('data:image/png;base64,', ''), 'base64')]).toEqual([...png]);
    const large = Uint8Array.from({ length: 100_001 }, (_, index) => (index * 31) % 256);
    expect(base64(large)).toBe(Buffer.from(large).toString('base64'));
    expect(base64(new Uint8Array(0))).toBe('');
  });

  it('turns columns of numbers to the right, and fills short rows', () => {
    const document = documentOf(
      page({
        kind: 'table',
        columns: ['class', 'n', 'share', 'empty'],
        rows: [
          ['Bag', 12, '93.1 ± 0.4 %'],
          ['Coat', '−3', '–'],
        ],
      }),
    );
    const right = [...document.querySelectorAll('th')].map(cell => cell.classList.contains('number'));
    expect(right).toEqual([false, true, true, true]);
    expect([...document.querySelectorAll('tbody tr')].map(row => row.querySelectorAll('td').length)).toEqual([4, 4]);
  });

  it('makes paragraphs of empty lines', () => {
    const paragraphs = documentOf(page({ kind: 'text', text: 'One\nstill one.\n\nTwo.' })).querySelectorAll('main p');
    expect([...paragraphs].map(paragraph => paragraph.textContent)).toEqual(['One\nstill one.', 'Two.']);
  });

  it.each([
    ['no SVG', '<div></div>'],
    ['two elements', '<svg></svg><p></p>'],
    ['a script', '<svg><script>alert(1)</script></svg>'],
    ['HTML inside', '<svg><foreignObject></foreignObject></svg>'],
    ['a handler', '<svg onload="alert(1)"></svg>'],
    ['a link', '<svg><a href="javascript:alert(1)"></a></svg>'],
    ['a picture from elsewhere', '<svg><image href="https://example.org/x.png"/></svg>'],
    ['a picture that is itself a drawing', '<svg><image href="data:image/svg+xml;base64,PHN2Zy8+"/></svg>'],
    [
      'a second picture from elsewhere',
      '<svg><image href="data:image/png;base64,AQID"/><image xlink:href=\'x.png\'/></svg>',
    ],
    ['a picture with two sources', '<svg><image href="data:image/png;base64,AQID" xlink:href="//x.org/y.png"/></svg>'],
    ['a style from elsewhere', '<svg><style>@import "x.css"</style></svg>'],
    ['a fill from elsewhere', '<svg><path fill="url(https://example.org/#a)"/></svg>'],
  ])('refuses a figure with %s', (_, bad) => {
    expect(() => page({ kind: 'figure', svg: bad, caption: '' })).toThrow(UsageError);
  });
});

describe('escapeHtml', () => {
  it('escapes what ends a text or an attribute, once', () => {
    expect(escapeHtml(`&amp;<>"'`)).toBe('&amp;amp;&lt;&gt;&quot;&#39;');
  });
});
