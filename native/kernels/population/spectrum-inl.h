// The eigenproblem of an objective, and which of its rows are latents.
#pragma once
#include "kernels/population/loss-inl.h"
#include "kernels/population/ties-inl.h"

struct Spectrum {
  double *lambda, *g;  // (ne), (ne,ne): row i of g holds the i-th latent's weights on e
  std::size_t rows;    // of those that can be latents, and those that tie with the last of them
  double* kept;        // (ne): 1 where the row is a latent of the reduced basis within the rank
  double* complement;  // (ne): 1 where it stands for the latents of the complement
  double* remaining;   // (rows + 1): the loss of so many rows that are asked for, where there is no noise
  // (rows, latent_cols): g times e given f, without noise and where y is e, null elsewhere: all latents as
  // loadings on the last so many sources, also those beyond the rank.
  double* latents;
  std::size_t latent_cols;
  Ties ties;
  mask empty;    // lanes in which nothing is left to explain
  mask careful;  // lanes that a covariance in f64 does not settle: core/careful.cc answers them
  vec observation_total;
};

// Coordinate i of e once those of the complement, one in every unprojected observation block, come last.
static std::size_t complement_last(const WorldShape& s, const Rows& e, std::size_t i) {
  for (std::int32_t b = 0; b < e.blocks; ++b) {
    const std::size_t inside = e.width[b] - (has_complement(s, e, b) ? 1 : 0);
    if (i < inside) return e.begin[b] + i;
    i -= inside;
  }
  std::int32_t b = 0;
  for (;; ++b)
    if (has_complement(s, e, b) && i-- == 0) return e.begin[b] + e.width[b] - 1;
}

// In whitened coordinates: N = S_ye W^T with W^T W = u^+ for u = S_ee + P, and M = N N^T has the eigenvalues
// of N^T N. The complement's coordinates are coupled to each other alone. With them last, nothing mixes them
// with the rest, not even rounding where eigenvalues are equal. u is overwritten. Returns the lanes in which
// u is not to be inverted.
static mask solve_whitened(const World& w, const Problem& p, Explained& x, vec tolerance, double* u,
                           const Spectrum& spectrum, Arena local) {
  const std::size_t ne = p.e.rows, ny = p.y.rows;
  double *lambda = spectrum.lambda, *g = spectrum.g;
  const auto coordinate = [&](std::size_t i) { return complement_last(w.shape, p.e, i); };
  double *whitening = local.take(ne, ne), *target = local.take(ny, ne);
  double *n = local.take(ny, ne), *t = local.take(ne, ne);
  double* white = x.bottleneck ? local.take(ne, x.wide) : nullptr;
  if (local.counts()) {
    eigen_lanes(t, lambda, ne, local, true);
    return whitening_rows(whitening, ne, tolerance, local);
  }
  for (std::size_t j = 0; j < ne; ++j) {
    const std::size_t from = coordinate(j);
    for (std::size_t i = 0; i < ne; ++i) put(whitening, i * ne + j, at(u, coordinate(i) * ne + from));
    for (std::size_t i = 0; i < ny; ++i) put(target, i * ne + j, at(p.s_ye, i * ne + from));
  }
  const mask careful = whitening_rows(whitening, ne, tolerance, local);
  gemm_nt_lanes(n, target, whitening, ny, ne, ne, false);
  gemm_tn_lanes(t, n, n, ne, ne, ny, false);
  eigen_lanes(t, lambda, ne, local, true);
  x.rows = rows_with_ties(lambda, spectrum.rows, ne, tolerance * at(lambda, 0));
  if (white) {
    gemm_nn_lanes(white, whitening, x.bottleneck, ne, x.wide, ne, false);
    gemm_nn_lanes(x.by, t, white, x.rows, x.wide, ne, false);
    gemm_nt_lanes(x.parts, t, n, x.rows, ny, ne, false);
  }
  for (std::size_t i = 0; i < ne; ++i) {
    const vec root = sqrt(max(at(lambda, i), splat(0)));
    for (std::size_t j = 0; j < ne; ++j) put(t, i * ne + j, root * at(t, i * ne + j));
  }
  gemm_nn_lanes(u, t, whitening, ne, ne, ne, false);
  for (std::size_t j = 0; j < ne; ++j)
    for (std::size_t i = 0; i < ne; ++i) put(g, i * ne + coordinate(j), at(u, i * ne + j));
  return careful;
}

// Lanes whose leading eigenvalue is the rounding of nothing: there are no latents. The target's variance is
// looked at where the eigenvalue is small beside the observation's, which is at hand.
static mask nothing_left(const World& w, const Group& group, const Problem& p, const Spectrum& spectrum,
                         const Arena& arena) {
  const vec multiplicity = group.parameter(COMPLEMENT_DIM);
  if (arena.counts()) {
    variance_of(w, p.y, multiplicity, arena);
    return mask{};
  }
  const vec leading = at(spectrum.lambda, 0);
  mask empty = ~(mask)(leading > splat(SMALL_TARGET) * spectrum.observation_total);
  if (!any(empty)) return empty;
  const vec total = variance_of(w, p.y, multiplicity, arena);
  return empty & ~(mask)(leading > splat(VOID_LOADINGS) * total);
}

// Which rows of g are latents within the rank, of the reduced basis and of the complement.
static void tell_latents(const World& w, const Rows& e, vec tolerance, Spectrum& spectrum) {
  const std::size_t ne = e.rows;
  const vec cut =
      select(spectrum.empty, splat(__builtin_inf()), tolerance * max(at(spectrum.lambda, 0), splat(0)));
  for (std::size_t i = 0; i < ne; ++i) {
    vec inside = splat(0), outside = splat(0);
    for (std::int32_t b = 0; b < e.blocks; ++b)
      for (std::size_t j = 0; j < e.width[b]; ++j) {
        const vec v = abs(at(spectrum.g, i * ne + e.begin[b] + j));
        if (has_complement(w.shape, e, b) && j + 1 == e.width[b])
          outside += v;
        else
          inside += v;
      }
    const mask in_rank = (mask)(at(spectrum.lambda, i) > cut);
    const mask complement = (mask)(outside > inside);
    put(spectrum.complement, i, select(complement & in_rank, splat(1), splat(0)));
    put(spectrum.kept, i, select(~complement & in_rank, splat(1), splat(0)));
    spectrum.careful |= uncertain_of(at(spectrum.lambda, i), at(spectrum.lambda, 0));
  }
}

// lambda and g, which overwrites S_ee where that is M, the rows of x, and without noise its products. Returns
// the lanes that need care.
static mask solve_eigenproblem(const World& w, const Group& group, const Problem& p, const Spectrum& spectrum,
                               Explained& x, Arena local) {
  const std::size_t ne = p.e.rows;
  const vec tolerance = splat(group.batch.tolerance);
  const bool works = !local.counts();
  if (p.reconstructs) {
    eigen_lanes(spectrum.g, spectrum.lambda, ne, local, true);
    x.parts = spectrum.g;
    if (!works) return mask{};
    x.rows = rows_with_ties(spectrum.lambda, spectrum.rows, ne, tolerance * at(spectrum.lambda, 0));
    if (!x.by) return mask{};
    const std::size_t cols = p.re.cols - x.first;
    if (cols < x.wide) clear_lanes(x.by, x.rows * x.wide);
    gemm_into_lanes(x.by, x.wide, spectrum.g, ne, 1, p.re.dense + x.first * LANES, p.re.cols, 1, x.rows, cols,
                    ne, false);
    return mask{};
  }
  double* u = local.take(ne, ne);
  if (works) memcpy(u, p.s_ee, ne * ne * LANES * sizeof(double));
  const mask penalties = add_penalties(u, x.bottleneck, x.first, x.wide, w, group, ne, local);
  return penalties | solve_whitened(w, p, x, tolerance, u, spectrum, local);
}

static Spectrum solve_problem(const World& w, const Group& group, const Problem& p, Arena& arena) {
  const std::size_t ne = p.e.rows;
  Spectrum spectrum{};
  // One row more than there are latents: the complement's counts for nothing without a complement.
  const std::size_t wanted = group.batch.max_latent() + (w.shape.noise ? 1 : 0);
  spectrum.rows = wanted < ne ? wanted : ne;
  spectrum.lambda = arena.take(ne, 1);
  spectrum.g = p.reconstructs ? p.s_ee : arena.take(ne, ne);
  spectrum.kept = arena.take(ne, 1);
  spectrum.complement = arena.take(ne, 1);
  spectrum.remaining = arena.take(ne + 1, 1);
  spectrum.ties = {arena.take(ne, 1), arena.take(ne, 1), false};
  Explained x{};
  if (p.reconstructs) x = explained_by(w, group, p, ne, arena);
  Arena local = arena;
  if (!p.reconstructs) x = explained_by(w, group, p, ne, local);
  spectrum.latents = p.reconstructs ? x.by : nullptr;
  spectrum.latent_cols = x.wide;
  spectrum.careful = solve_eigenproblem(w, group, p, spectrum, x, local);
  spectrum.rows = x.rows;
  if (!arena.counts())
    spectrum.observation_total = squares_lanes(w.variable[OBSERVATION], w.shape.qe * w.cols[OBSERVATION]);
  spectrum.empty = nothing_left(w, group, p, spectrum, local);
  if (!arena.counts()) {
    tell_latents(w, p.e, splat(group.batch.tolerance), spectrum);
    find_ties(spectrum.ties, spectrum.lambda, spectrum.kept, ne);
    // A row of the complement stands for many latents: beside one they may end after any row.
    if (!w.shape.noise)
      spectrum.ties.exist &= ends_in_tie(spectrum.ties, ne, group.batch.latents, group.batch.latent_count);
  }
  if (!w.shape.noise) remaining_loss(spectrum.remaining, p, x, spectrum.kept, group.batch, local);
  return spectrum;
}
