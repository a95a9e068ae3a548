/** The operations as the library shows them. What is exported by a family for the tape and its rows stays inside. */
export { type BatchNormOptions, batchNorm } from './batchnorm.ts';
export { broadcastTo, sum, sumTo } from './broadcast.ts';
export {
  cast,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
  type TensorLike,
  where,
} from './conditions.ts';
export { type Conv2dOptions, conv2d, conv2dTranspose } from './conv2d.ts';
export { dropout } from './dropout.ts';
export {
  abs,
  add,
  affine,
  ceil,
  clamp,
  cos,
  div,
  elu,
  erf,
  exp,
  floor,
  gelu,
  leakyRelu,
  log,
  maximum,
  minimum,
  mish,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  reluGradientFromOutput,
  round,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  unary,
} from './elementwise.ts';
export {
  clone,
  concat,
  flatten,
  flip,
  gather,
  identity,
  oneHot,
  pad,
  reshape,
  scatterAdd,
  slice,
  stack,
  transpose,
} from './layout.ts';
export { linear, type MatmulOptions, matmul } from './matmul.ts';
export { avgPool2d, globalAveragePool, maxPool2d, type PoolOptions } from './pool.ts';
export { argMax, argMin, logSumExp, max, mean, min, norm, prod, sumOfSquares, variance } from './reduce.ts';
export { type CrossEntropyOptions, crossEntropy, logSoftmax, softmax } from './softmax.ts';
export { type Padding, type Pair, toPair } from './window.ts';
