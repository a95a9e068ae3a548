/**
 * The look of a report: the reader's own fonts, two sets of colours, a column of text with figures in as many columns as
 * fit. Kept apart from the page's structure, which it says nothing about.
 */
export const STYLE = /* css */ `
:root {
  --text: #1f2328; --quiet: #59636e; --page: #ffffff; --raised: #f6f8fa; --line: #d1d9e0; --link: #0969da;
  --notice-line: #bf8700; --notice: #fff8c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --quiet: #9198a1; --page: #0d1117; --raised: #151b23; --line: #3d444d; --link: #58a6ff;
    --notice-line: #9e6a03; --notice: #2b2111;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 24px 16px 64px; max-width: 1180px; overflow-wrap: break-word;
  color: var(--text); background: var(--page); font: 16px/1.55 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 0 0 12px; font-size: 1.3rem; }
h3 { margin: 16px 0 10px; font-size: 1.05rem; }
a { color: var(--link); }
p { margin: 0 0 12px; max-width: 46em; white-space: pre-line; }
.subtitle { margin: 6px 0 0; color: var(--quiet); }
.notice { margin: 16px 0 0; padding: 10px 14px; border: 1px solid var(--notice-line); border-radius: 6px; background: var(--notice); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 16px 0 0; padding: 0; list-style: none; }
section { margin-top: 28px; padding-top: 24px; border-top: 1px solid var(--line); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0 0 16px; }
.facts div { padding: 10px 14px; border: 1px solid var(--line); border-radius: 6px; background: var(--raised); }
dt { color: var(--quiet); font-size: .85rem; }
dd { margin: 0; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
dd small { display: block; color: var(--quiet); font-size: .8rem; }
figure { display: inline-block; vertical-align: top; max-width: 100%; margin: 0 24px 20px 0; }
figcaption { width: 0; min-width: 100%; margin-top: 6px; color: var(--quiet); font-size: .9rem; }
.scroll { max-width: 100%; overflow-x: auto; }
/* A chart may shrink to three quarters; below that its words are too small, and it scrolls. */
.scroll > svg { display: block; max-width: 100%; min-width: calc(.75px * var(--width, 0)); height: auto; }
img { max-width: 100%; height: auto; image-rendering: pixelated; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, var(--picture)); gap: 14px; margin: 0; padding: 0; list-style: none; width: min(1140px, calc(100vw - 40px)); }
.gallery img { display: block; width: 100%; }
.gallery span { display: block; font-size: .8rem; line-height: 1.3; color: var(--quiet); }
table { margin: 0 0 16px; border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 6px; text-align: left; color: var(--quiet); }
th, td { padding: 5px 20px 5px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th.number, td.number { text-align: right; white-space: nowrap; }
pre { max-width: 100%; overflow-x: auto; margin: 0 0 16px; padding: 12px 14px; border-radius: 6px; background: var(--raised); font-size: .88rem; }
@media (max-width: 520px) {
  figure { margin-right: 0; }
  th, td { padding-right: 12px; }
}
`;
