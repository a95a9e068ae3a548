/** Other people's formats and layouts, read and written on the host. Everything here runs in a browser too. */
export * from './npy.ts';
export * from './safetensors.ts';
export * from './torch-layout.ts';
export * from './torch-weights.ts';
