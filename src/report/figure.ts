/**
 * A figure: a title, a legend, one or more panels drawn by Observable Plot, a note, as one SVG text that needs nothing
 * else. Plot wants a DOM; linkedom is one that works without a browser. Text and axes take the surrounding text colour
 * (`currentColor`), which is set inside the SVG for light and for dark surroundings, so that the same figure can stand in
 * a report, in a README, or alone.
 */
import * as Plot from '@observablehq/plot';
import { DOMParser } from 'linkedom';

const SVG = 'http://www.w3.org/2000/svg';
const FONT_SIZE = 12;
const BOLD = 1.12; // how much wider than plain text
const LEAST_WIDTH = 320;
const LINE_HEIGHT = 19;
const STYLE =
  '.weft-figure{color:#1f2328;color-scheme:light dark;font:12px system-ui,sans-serif}' +
  '@media (prefers-color-scheme:dark){.weft-figure{color:#e6edf3}}';

export interface LegendEntry {
  name: string;
  color: string;
  dashed?: boolean;
}

export interface FigureOptions {
  title: string;
  /** Drawn one below the other; each with its own width and height. */
  panels: readonly Plot.PlotOptions[];
  legend?: readonly LegendEntry[];
  /** A line below the panels, broken where it has to be. */
  note?: string;
}

/** About how many pixels a text takes at the figures' font size: there is no font to measure. */
export function textWidth(text: string): number {
  return text.length * FONT_SIZE * 0.56;
}

/** Draws the panels and returns the figure as an SVG document (`<svg xmlns ...>`), usable inline too. */
export function figure({ title, panels, legend = [], note }: FigureOptions): string {
  // An XML document: linkedom's HTML one would leave < and > bare in attributes.
  const document = new DOMParser().parseFromString(`<svg xmlns="${SVG}"/>`, 'image/svg+xml') as unknown as Document;
  const element = (name: string, attributes: Record<string, string | number>, text?: string): Element => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const width = Math.max(LEAST_WIDTH, ...panels.map(panel => panel.width ?? 640));
  const parts: Element[] = [];
  const line = (text: string, y: number, weight = 'normal', opacity = 1): void => {
    const attributes = { x: 4, y, fill: 'currentColor', 'font-weight': weight, opacity };
    parts.push(element('text', attributes, text));
  };

  let top = 0;
  for (const text of brokenLines(title, (width - 8) / BOLD)) {
    line(text, top + 17, '600');
    top += LINE_HEIGHT;
  }
  top += 7;
  if (legend.length > 0) {
    for (const row of legendRows(legend, width)) {
      for (const { entry, x } of row) {
        const attributes = { x1: x, x2: x + 18, y1: top + 8, y2: top + 8, stroke: entry.color, 'stroke-width': 3 };
        parts.push(element('line', entry.dashed ? { ...attributes, 'stroke-dasharray': '5 3' } : attributes));
        parts.push(element('text', { x: x + 23, y: top + 12, fill: 'currentColor' }, entry.name));
      }
      top += LINE_HEIGHT;
    }
  }
  for (const panel of panels) {
    const drawn = Plot.plot({ ...panel, document, className: 'weft-panel' });
    for (const style of [...drawn.querySelectorAll('style')]) style.remove();
    for (const [key, value] of Object.entries({ x: 0, y: top, 'font-size': FONT_SIZE, overflow: 'visible' })) {
      drawn.setAttribute(key, String(value));
    }
    parts.push(drawn);
    top += Number(drawn.getAttribute('height'));
  }
  for (const text of note === undefined ? [] : brokenLines(note, width - 8)) {
    line(text, top + 13, 'normal', 0.75);
    top += LINE_HEIGHT - 3;
  }

  const height = Math.ceil(top + 4);
  const root = element('svg', {
    xmlns: SVG,
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    class: 'weft-figure',
    role: 'img',
    'aria-label': title,
  });
  root.append(element('style', {}, STYLE), ...parts);
  return root.outerHTML;
}

function legendRows(legend: readonly LegendEntry[], width: number): { entry: LegendEntry; x: number }[][] {
  const rows: { entry: LegendEntry; x: number }[][] = [[]];
  let x = 4;
  for (const entry of legend) {
    const needs = 23 + textWidth(entry.name) + 14;
    if (x + needs > width && x > 4) {
      rows.push([]);
      x = 4;
    }
    rows[rows.length - 1].push({ entry, x });
    x += needs;
  }
  return rows;
}

function brokenLines(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    const longer = last === '' ? word : `${last} ${word}`;
    if (last !== '' && textWidth(longer) > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Whole numbers to label an axis with: at most `most`, evenly spaced by 1, 2 or 5 times a power of ten. */
export function wholeTicks(low: number, high: number, most = 10): number[] {
  let step = 1;
  for (let power = 1; (high - low) / step >= most; power *= 10) {
    for (const factor of [1, 2, 5]) {
      step = factor * power;
      if ((high - low) / step < most) break;
    }
  }
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  return ticks;
}
