/** Results made visible: pictures, charts as SVG text, one self-contained HTML page. Everything here runs in a browser too. */
export * from './color.ts';
export * from './confusion-matrix.ts';
export * from './exciting-sheet.ts';
export * from './explanation-captions.ts';
export * from './explanation-sheet.ts';
export * from './heat-table.ts';
export * from './html.ts';
export * from './image-sheet.ts';
export * from './interval-bars.ts';
export * from './learning-curve.ts';
export * from './lettering.ts';
export * from './line-chart.ts';
export * from './outline.ts';
export * from './photo-stages.ts';
export {
  enlarge,
  heatPicture,
  imagePicture,
  overlay,
  type Picture,
  signedPicture,
  valueRange,
} from './picture.ts';
export * from './reliability-diagram.ts';
export * from './scatter-chart.ts';
