/** What `./index.ts` offers, and what needs Node: PNG files, the figures of a study, and its page. */
export * from './index.ts';
export * from './png.node.ts';
export { studyDrawing } from './study/drawing.node.ts';
export { reportStage, rewriteReport } from './study/page.node.ts';
