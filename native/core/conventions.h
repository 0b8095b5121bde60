// The numerical conventions of docs/theory.md, in C++: which numbers count as rounding, as a tie, as exact.
// lib/base/conventions.ts says the same in TypeScript; test/conventions.test.ts holds both and the table to
// each other. Kernels read it: nothing of std:: here.
#pragma once

namespace exo {

// Eigenvalues below this share of the largest are cut from a pseudo-inverse.
constexpr double RELATIVE_TOLERANCE = 1e-10;
// A ratio of smallest to largest Cholesky pivot above it leaves no eigenvalue near that cut.
constexpr double WELL_CONDITIONED = 1e-5;
// Pivots of a target's covariance over its largest variance: above it latents are seen on its factor.
constexpr double WELL_SPREAD = 1e-2;
// Conditional over total variance, from loadings, at which nothing is left.
constexpr double VOID_LOADINGS = 1e-18;
// Leading eigenvalue over the target's variance, from moments, at which nothing is left.
constexpr double VOID_MOMENTS = 1e-14;
// Share of a target's held-out variance that a probe on o leaves, at which nothing is left.
constexpr double VOID_PROBE = 1e-12;
// Leading eigenvalue over the observation's variance, from loadings: below it VOID_LOADINGS is worth a look.
constexpr double SMALL_TARGET = 1e-10;
// What an exact relation may leave of a direction's variance: its information is infinite.
constexpr double EXACT_RELATION = 1e-9;
// Two eigenvalues whose difference is a smaller share of themselves, or of the largest, tie.
constexpr double EIGENVALUE_TIE = 1e-9;
constexpr double TIE_FLOOR = 1e-13;
// The cosine between two rows of loadings below which they are orthogonal.
constexpr double ORTHOGONAL_ROWS = 1e-15;
// The share by which an extreme of a ratio may still move where the search for it ends.
constexpr double EXTREME_REACHED = 1e-14;
// Off-diagonal over diagonal sum of squares at which a small symmetric matrix is diagonal.
constexpr double DIAGONAL = 1e-33;
// An eigenvalue (or a gap, or a loss) of moments below CLEAR_SHARE of the largest is not right to 1e-9, and
// above ROUNDED_SHARE not nothing: the kernel leaves the problem to solve_carefully.
constexpr double CLEAR_SHARE = 1e-6;
constexpr double ROUNDED_SHARE = 1e-13;
// Entries of an eigenvector whose sizes differ by a smaller share are as large.
constexpr double SIGN_TIE = 1e-9;
// Variance over second moment of a column in training at which it stands still.
constexpr double STANDS_STILL = 1e-13;
// Variance over the largest among regressors that a ridge weighs alike, at which one is left out.
constexpr double REGRESSOR_CUT = 1e-24;
// Share of the largest variance at which a direction of z, or of what z may be made of, is rounding.
constexpr double NEGLIGIBLE_VARIANCE = 1e-12;
// Ridge of a regression on latents, which are at unit variance.
constexpr double LATENT_RIDGE = 1e-9;
// |A v - lambda v| of a leading eigenpair, over the largest eigenvalue, at which it is found.
constexpr double LEADING_RESIDUAL = 1e-11;
// Norm of the gradient times that of its argument, over the loss of an empty model, at which training has
// converged.
constexpr double FLAT = 1e-9;
// Change of a loss over that of an empty model which is rounding: the slope then decides.
constexpr double LEVEL = 1e-13;
// Share of the decrease that the slope promises which a step has to bring (Wolfe's first condition).
constexpr double SUFFICIENT_DECREASE = 1e-4;
// Entry of G G^T - I, G by its rows' span alone known to a loss, from which on the rows are made orthonormal
// again.
constexpr double SKEWED = 0.1;
// Zero in an eigenproblem whose entries are scaled to about 1.
constexpr double EIGEN_ZERO = 1e-70;

}  // namespace exo
