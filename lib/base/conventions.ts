/**
 * The numerical conventions of docs/theory.md, in TypeScript: which numbers count as rounding, as a tie, as exact.
 * native/core/conventions.h says the same in C++; test/conventions.test.ts holds both and the table to each other.
 */

/** Eigenvalues below this share of the largest are cut from a pseudo-inverse, and do not count for a rank. */
export const RELATIVE_TOLERANCE = 1e-10;
/** A ratio of smallest to largest Cholesky pivot above it leaves no eigenvalue near that cut: inverse and pseudo-inverse agree. */
export const WELL_CONDITIONED = 1e-5;
/** Conditional over total variance, both from loadings, at which nothing is left: the square of what rounding leaves. */
export const VOID_LOADINGS = 1e-18;
/** Leading eigenvalue over the target's variance, from moments, at which nothing is left: differences of moments round so. */
export const VOID_MOMENTS = 1e-14;
/** Share of a target's held-out variance that a probe on o leaves, at which nothing is left to explain. */
export const VOID_PROBE = 1e-12;
/** What an exact relation may leave of a direction's variance: its information is infinite. */
export const EXACT_RELATION = 1e-9;
/** Entries of an eigenvector whose sizes differ by a smaller share are as large: the first of them is made positive. */
export const SIGN_TIE = 1e-9;
/** Two eigenvalues whose difference is a smaller share of themselves tie: which of their directions comes first is rounding. */
export const EIGENVALUE_TIE = 1e-9;
/** Likewise a smaller share of the largest eigenvalue. */
export const TIE_FLOOR = 1e-13;
/** The cosine between two rows of loadings below which they are orthogonal. */
export const ORTHOGONAL_ROWS = 1e-15;
/** The share by which an extreme of a ratio may still move where the search for it ends. */
export const EXTREME_REACHED = 1e-14;
/** What projection leaves of a column, as a share of its norm, at which the column adds no direction. */
export const DEPENDENT_COLUMN = 1e-12;
/** What projection leaves of a unit vector at which it is too short to make a direction of it: another axis serves better. */
export const SHORT_DIRECTION = 1e-6;
/** Entries of a Gram matrix this close to those of I are those of I: the premise of the closed forms of critical strengths. */
export const ORTHONORMAL_GAP = 1e-12;
/** Zero among the couplings of a tridiagonal matrix whose entries are scaled to about 1. */
export const NEGLIGIBLE_COUPLING = 1e-20;
/** Variance over second moment of a column in training at which it stands still: what is there is rounding. */
export const STANDS_STILL = 1e-13;
/** Standard deviation over the largest magnitude of a column of data at which it never moves. */
export const STILL_COLUMN = 1e-12;
/** Variance over the largest among regressors that a ridge weighs alike, at which one is left out. */
export const REGRESSOR_CUT = 1e-24;
/** Share of the largest variance at which a direction of z, or of what z may be made of, is rounding. */
export const NEGLIGIBLE_VARIANCE = 1e-12;
/** Ridge of a regression on latents, which are at unit variance. */
export const LATENT_RIDGE = 1e-9;
/** Held-out squared error that is left without z, over the target's sum of squares, at which nothing is left to explain. */
export const NOTHING_LEFT = 1e-8;
/** Norm of the gradient times that of its argument, over the loss of an empty model, at which training has converged. */
export const FLAT = 1e-9;
/** Change of a loss over that of an empty model which is rounding: the slope then decides. */
export const LEVEL = 1e-13;
/** Share of the decrease that the slope promises which a step has to bring (Wolfe's first condition). */
export const SUFFICIENT_DECREASE = 1e-4;
/** Entry of G G^T - I, G by its rows' span alone known to a loss, from which on the rows are made orthonormal again. */
export const SKEWED = 0.1;
/** Difference of two shares at which they are the same but for rounding: no table shows more digits. */
export const SAME_SHARE = 1e-6;
