/**
 * The numbers behind exp, log, sin and their kin, which WebAssembly lacks and WGSL leaves to the driver (with errors that
 * its specification lets grow to 2^-11, and no word about NaN). Both languages evaluate the same polynomials by Horner's
 * rule, highest power first; what each is a polynomial of stands where it is used (`vector-math.wasm.ts`).
 */

// Cephes, single precision (S. Moshier, netlib.org/cephes). LN2_HIGH has 9 significant bits: products with exponents are
// exact.
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -2.1219444e-4;
export const EXP = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];
export const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];
export const TANH = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];
export const SIN = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1];
export const COS = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2];

// After N. Juffa: erf below and above ERF_BORDER, the latter as 1 - e^(t P(t) - t).
export const ERF_BORDER = 0.927734375;
export const ERF_NEAR = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1];
export const ERF_FAR = [
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
];

/**
 * Mills' ratio of the normal distribution, (1 - Phi(t)) / phi(t), as P(v) / (t + 3) with v = (t - 3) / (t + 3): least
 * relative error over t in [1, 14.6], 1.3e-8 before rounding (weighted least squares against SciPy's erfcx).
 */
export const MILLS_CENTER = 3;
export const MILLS = [
  -0.0025626244, 0.0022793645, 0.0175047014, -0.0261799954, -0.118476205, 0.576566517, -1.27670574, 1.82754183,
];

/** log(1 + x) = 2 s + s^3 P(s^2) with s = x / (2 + x), for x in [0, 1]: 4e-7 of the second term, fitted like MILLS. */
export const LOG1P = [0.268610209, 0.282350421, 0.40007627, 0.666666389];

/** pi / 2 in pieces of 8 bits (the last one rounded), so that each times an integer below 2^16 is exact. */
export const HALF_PI: number[] = [];
for (let rest = Math.PI / 2; HALF_PI.length < 5; rest -= HALF_PI[HALF_PI.length - 1]) {
  const unit = 2 ** (Math.floor(Math.log2(rest)) - 7);
  HALF_PI.push(HALF_PI.length === 4 ? Math.fround(rest) : Math.floor(rest / unit) * unit);
}

/** The first 224 binary digits of 2 / pi, in words of 32, behind a word of zeros. */
export const TWO_OVER_PI = [0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab];
/** pi / 2 as a float and what the float lacks. */
export const HALF_PI_PAIR = [Math.fround(Math.PI / 2), Math.PI / 2 - Math.fround(Math.PI / 2)] as const;

// fdlibm's e_powf.c (Sun Microsystems; single precision by Ian Lance Taylor, Cygnus).
export const POW_LOG2 = [
  2.0697501302e-1, 2.3066075146e-1, 2.7272811532e-1, 3.3333334327e-1, 4.2857143283e-1, 6.0000002384e-1,
];
export const POW_EXP2 = [4.1381369442e-8, -1.6533901999e-6, 6.613755977e-5, -2.777777845e-3, 1.6666667163e-1];
/** 2 / (3 ln 2) rounded, and in two parts; log2 1.5 in two parts; ln 2 rounded, and in two parts. */
export const POW_CP = [9.6179670095e-1, 9.619140625e-1, -1.1736857402e-4] as const;
export const POW_LOG2_CENTER = [5.84960938e-1, 1.56322085e-6] as const;
export const POW_LN2 = [6.9314718246e-1, 6.93145752e-1, 1.42860654e-6] as const;
