/** Sizes of Winograd's convolution on wasm: what is fixed when its program is assembled, and how its blocks lie in memory. */
import { oddLines } from './winograd.tiles.wasm.ts';
import { PRODUCTS } from './winograd.transforms.wasm.ts';

/** Output channels whose products are held between multiplication and output transform. */
const MAX_BLOCK_CHANNELS = 64;

export interface WinogradLayout {
  readonly height: number;
  readonly width: number;
  readonly channelsIn: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly channelsOut: number;
  readonly paddingTop: number;
  readonly paddingLeft: number;
  readonly adjoint: boolean;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
  /** Columns of a panel and of the register tile. */
  readonly tileWidth: number;
  /** Tiles per task. */
  readonly chunk: number;
}

type Panels = Pick<WinogradLayout, 'channelsOut' | 'tileWidth'>;
export const panelsOf = ({ channelsOut, tileWidth }: Panels): number => Math.ceil(channelsOut / tileWidth);
/** Output channels per block: whole panels. */
export const blockChannels = (layout: Panels): number =>
  Math.min(MAX_BLOCK_CHANNELS, panelsOf(layout) * layout.tileWidth);
/** Bytes of one tile's transformed inputs, and of its products for one block of output channels. */
export const inputBlock = ({ channelsIn }: WinogradLayout): number => oddLines(PRODUCTS * channelsIn * 4);
export const outputBlock = (layout: WinogradLayout): number => oddLines(PRODUCTS * blockChannels(layout) * 4);
