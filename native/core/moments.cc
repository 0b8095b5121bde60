// The data-level route: joint second moments in, the one solver of docs/theory.md section 2, encoders and
// decoders out.
#include <cmath>

#include "core/conventions.h"
#include "core/decoder.h"
#include "core/innovation.h"
#include "core/moments-layout.h"
#include "core/pool.h"
#include "core/regression.h"
#include "core/stages.h"

namespace exo {

UnitLayout layout_of(const MomentsBatch& p) {
  UnitLayout layout{};
  layout.width = p.width;
  const auto place = [&](Columns& at, Variable variable, std::size_t size) {
    if (p.column[variable] >= 0) at = {static_cast<std::size_t>(p.column[variable]), size};
  };
  // The width of an observation is told even where there is none.
  layout.observation.size = p.observation_dim;
  place(layout.observation, OBSERVATION, p.observation_dim);
  place(layout.observation_next, OBSERVATION_NEXT, p.observation_dim);
  place(layout.pair_observation, PAIR_OBSERVATION, p.observation_dim);
  place(layout.pair_observation_next, PAIR_OBSERVATION_NEXT, p.observation_dim);
  place(layout.action, ACTION, p.action_dim);
  return layout;
}

Fitted fitted_of(const MomentsBatch& p, std::size_t index) {
  Fitted fitted{p.objective, {}, p.projection, p.projected};
  for (std::size_t c = 0; c < p.coefficient_columns; ++c)
    fitted.coefficients.push_back(p.coefficients[c * p.count + index]);
  return fitted;
}

namespace {

// The rows of `from` at the head of problem `index` of `to` (problems, count, from.cols), zero below.
void store_rows(const Matrix& from, std::size_t count, double* to, std::size_t index) {
  double* begin = to + index * count * from.cols;
  std::fill(std::copy(from.a.begin(), from.a.end(), begin), begin + count * from.cols, 0.0);
}

// Whether the spectrum of a reconstruction of o' given o is all that is asked, and the moments may be spoilt.
bool spectrum_in_place(const MomentsBatch& p) {
  const Objective& o = p.objective;
  return p.spoilt && p.count == 1 && p.latent == 0 && !p.decoder && o.penalty_count == 0 &&
         is_plain(o.f, OBSERVATION) && is_plain(o.e, OBSERVATION_NEXT) && same(o.y, o.e);
}

// cov(o' given o) at the head of the moments, as (n, n), and nothing beside it: of wide observations every
// matrix counts. cov(o) is factored in its lower triangle, what o' is regressed with stands in cov(o', o).
// False, and the moments as they were, where eigenvalues of cov(o) have to be cut.
bool condition_in_place(const Dense& d, const MomentsBatch& p, double& variance) {
  const std::size_t n = p.observation_dim, ld = p.width;
  double *s = p.spoilt, *o = s + static_cast<std::size_t>(p.column[OBSERVATION]) * ld,
         *next = s + static_cast<std::size_t>(p.column[OBSERVATION_NEXT]) * ld;
  double *oo = o + p.column[OBSERVATION], *on = o + p.column[OBSERVATION_NEXT];
  double *no = next + p.column[OBSERVATION], *nn = next + p.column[OBSERVATION_NEXT];
  std::vector<double> diagonal(n);
  double sum = 0;
  variance = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += diagonal[i] = oo[i * ld + i];
    variance += nn[i * ld + i];
  }
  const auto each_row = [&](const auto& visit) {
    constexpr std::size_t few = 64;
    in_parallel(d.job, (n + few - 1) / few, [&](std::size_t task, std::size_t) {
      for (std::size_t i = task * few; i < std::min(n, (task + 1) * few); ++i) visit(i);
    });
  };
  for (std::size_t i = 0; i < n; ++i) oo[i * ld + i] += p.ridge * sum / static_cast<double>(n);
  each_row([&](std::size_t i) { std::copy_n(oo + i * ld, n, no + i * ld); });
  const bool definite = factor_definite(d, n, oo, ld, no, ld, p.tolerance);
  if (definite) {
    each_row([&](std::size_t i) { std::copy_n(on + i * ld, n, no + i * ld); });
    d.cholesky_solve(oo, n, ld, no, n, ld);
  }
  for (std::size_t i = 0; i < n; ++i) oo[i * ld + i] = diagonal[i];
  d.mirror_upper(oo, n, ld);
  if (!definite) {
    each_row([&](std::size_t i) {
      for (std::size_t j = 0; j < n; ++j) no[i * ld + j] = on[j * ld + i];
    });
    return false;
  }
  // As residual_variance has it.
  d.product(false, false, n, n, n, 1, oo, ld, no, ld, -2, on, ld);
  d.symmetric_product(true, false, n, n, 1, no, ld, on, ld, 1, nn, ld);
  for (std::size_t i = 0; i < n && !d.job.cancelled(); ++i) std::copy_n(nn + i * ld, n, s + i * n);
  return true;
}

// What a solution says of itself: lambda (ne) descending.
Status tell(const MomentsBatch& p, std::size_t index, const std::vector<double>& lambda, double variance,
            double left) {
  const bool empty = !(lambda[0] > VOID_MOMENTS * variance);
  std::int32_t rank = 0;
  for (const double value : lambda) rank += !empty && value > p.tolerance * std::max(lambda[0], 0.0) ? 1 : 0;
  p.rank[index] = rank;
  p.trace[index] = left;
  double* spectrum = p.spectrum + index * lambda.size();
  for (std::size_t i = 0; i < lambda.size(); ++i) spectrum[i] = std::max(lambda[i], 0.0);
  if (!std::isfinite(left) || !std::isfinite(spectrum[0])) return NON_FINITE;
  return empty ? EMPTY_PROBLEM : OK;
}

Status solve_one(const Kernels& k, const MomentsBatch& p, std::size_t index, const Job& job) {
  if (spectrum_in_place(p)) {
    const std::size_t n = p.observation_dim;
    double variance = 0, left = 0;
    if (condition_in_place(Dense(k, job), p, variance)) {
      if (job.cancelled()) return OK;
      std::vector<double> lambda(n);
      // Unfilled: what eigenvalues alone leave untouched takes no memory.
      Matrix work = Matrix::unfilled(1, k.eigen_work(n));
      for (std::size_t i = 0; i < n; ++i) left += p.spoilt[i * n + i];
      if (!k.eigenvalues(p.spoilt, n, lambda.data(), work.data(), job.stop())) return NOT_CONVERGED;
      return job.cancelled() ? OK : tell(p, index, lambda, variance, left);
    }
    if (job.cancelled()) return OK;
  }
  const UnitLayout layout = layout_of(p);
  const Fitted fitted = fitted_of(p, index);
  const Dense dense(k, job);
  const StackMoments stacks(dense, layout, fitted, p.moments + index * p.width * p.width);
  const Objective& o = p.objective;
  const bool reconstructs = o.penalty_count == 0 && same(o.y, o.e);

  Innovation given_f{};
  const Status conditioned =
      condition(k, stacks, o.y, o.f, o.e, reconstructs, p.ridge, p.tolerance, job, given_f);
  if (conditioned != OK || job.cancelled()) return conditioned;
  const std::size_t ne = given_f.ee.rows;

  std::vector<double> lambda;
  Matrix g;  // row i: the i-th latent's weights on e
  if (reconstructs) {
    if (p.latent == 0) {
      // The spectrum alone.
      lambda.resize(ne);
      std::vector<double> work(k.eigen_work(ne));
      if (!k.eigenvalues(given_f.ee.data(), ne, lambda.data(), work.data(), job.stop())) return NOT_CONVERGED;
    } else {
      g = given_f.ee;
      if (!eigen_symmetric(k, g, lambda, &job)) return NOT_CONVERGED;
    }
  } else {
    Matrix u = given_f.ee;
    for (std::int32_t i = 0; i < o.penalty_count; ++i) {
      const Stack &given = o.penalties[i].given, &of = o.penalties[i].of;
      const Matrix p_gg = stacks.covariance(given, given), p_go = stacks.covariance(given, of);
      Matrix weights = p_go;
      if (!solve_semidefinite(k, with_ridge(p_gg, p.ridge), p.tolerance, weights, &job)) return NOT_CONVERGED;
      const Matrix cov =
          residual_covariance(k, stacks.covariance(of, of), p_go, p_go, p_gg, weights, weights, &job);
      if (job.cancelled()) return OK;
      const double weight = stacks.coefficient(o.penalties[i].weight);
      for (std::size_t j = 0; j < u.a.size(); ++j) u.a[j] += weight * cov.a[j];
    }
    symmetrise(u);
    std::vector<double> variance;
    if (!eigen_symmetric(k, u, variance, &job)) return NOT_CONVERGED;
    // Whitened coordinates: N = S_ye U / sqrt(variance), M = N N^T has the eigenvalues of N^T N.
    for (std::size_t i = 0; i < ne; ++i) {
      const double scale =
          variance[i] > p.tolerance * std::max(variance[0], 0.0) ? 1 / std::sqrt(variance[i]) : 0;
      for (std::size_t j = 0; j < ne; ++j) u.at(i, j) *= scale;
    }
    const Matrix n = times_nt(dense, given_f.ye, u);
    if (n.rows < ne) {
      // The smaller problem is N N^T = M itself: G = B^T N U. Rows of G beyond its own are zero.
      Matrix b = times_nt(dense, n, n);
      symmetrise(b);
      if (!eigen_symmetric(k, b, lambda, &job)) return NOT_CONVERGED;
      g = times(dense, times(dense, b, n), u);
      lambda.resize(ne, 0.0);
      g.a.resize(ne * ne, 0.0);
      g.rows = ne;
    } else {
      Matrix t = times_tn(dense, n, n);
      symmetrise(t);
      if (!eigen_symmetric(k, t, lambda, &job)) return NOT_CONVERGED;
      for (std::size_t i = 0; i < ne; ++i) {
        const double root = std::sqrt(std::max(lambda[i], 0.0));
        for (std::size_t j = 0; j < ne; ++j) t.at(i, j) *= root;
      }
      g = times(dense, t, u);
    }
  }

  if (job.cancelled()) return OK;
  const Status status = tell(p, index, lambda, given_f.variance, given_f.left);
  const double* spectrum = p.spectrum + index * ne;
  const std::size_t rows = std::min({p.latent, static_cast<std::size_t>(p.rank[index]), ne});
  Matrix latents(rows, ne);
  for (std::size_t i = 0; i < rows; ++i) {
    // The sign of an eigenvector is free: the entry of largest magnitude is positive.
    double largest = 0, sign = 1;
    for (std::size_t j = 0; j < ne; ++j)
      if (std::fabs(g.at(i, j)) > largest * (1 + SIGN_TIE)) {
        largest = std::fabs(g.at(i, j));
        sign = g.at(i, j) < 0 ? -1 : 1;
      }
    for (std::size_t j = 0; j < ne; ++j) latents.at(i, j) = sign * g.at(i, j);
  }
  Matrix c(rows, p.observation_dim), d(rows, p.observation_dim);
  stacks.add_maps(o.e, latents, 1, c, d);
  if (o.innovation && o.f.count) stacks.add_maps(o.f, times_nt(dense, latents, given_f.e_on_f), -1, c, d);
  store_rows(c, p.latent, p.encoder_c, index);
  store_rows(d, p.latent, p.encoder_d, index);
  if (p.decoder) {
    Decoder decoder;
    const Solved encoder{latents, spectrum, c, d};
    const Status decoded = decode(k, stacks, o, given_f, encoder, p.ridge, p.tolerance, job, decoder);
    if (decoded != OK || job.cancelled()) return decoded;
    store_rows(decoder.a, decoder.a.rows, p.decoder_a, index);
    store_rows(decoder.innovation_c, p.latent, p.innovation_c, index);
    for (std::size_t i = 0; i < decoder.b.rows; ++i) {
      double* to = p.decoder_b + (index * decoder.b.rows + i) * p.latent;
      std::fill(to, to + p.latent, 0.0);
      std::copy(decoder.b.row(i), decoder.b.row(i) + decoder.b.cols, to);
    }
  }
  return status;
}

}  // namespace

std::size_t moments_width(const MomentsBatch& batch, const Stack& stack) {
  std::size_t width = 0;
  for (std::int32_t b = 0; b < stack.count; ++b)
    width += stack.blocks[b].terms[0].variable == ACTION ? batch.action_dim
             : stack.blocks[b].projected                 ? batch.projected
                                                         : batch.observation_dim;
  return width;
}

std::size_t moments_decoded_width(const MomentsBatch& batch) {
  std::size_t width = 0;
  for (std::int32_t b = 0; b < batch.objective.y.count; ++b)
    if (batch.objective.y.blocks[b].terms[0].variable != ACTION)
      width += batch.objective.y.blocks[b].projected ? batch.projected : batch.observation_dim;
  return width;
}

void solve_moments(const Kernels& kernels, const MomentsBatch& batch, Job& job) {
  job.expect(batch.count);
  parallel_for(job, batch.count, [&](std::size_t index, std::size_t) {
    batch.status[index] = solve_one(kernels, batch, index, job);
  });
}

void condition_moments(const Kernels& kernels, const MomentsBatch& batch, Job& job) {
  job.expect(batch.count);
  const Objective& o = batch.objective;
  const UnitLayout layout = layout_of(batch);
  parallel_for(job, batch.count, [&](std::size_t index, std::size_t) {
    const Fitted fitted = fitted_of(batch, index);
    const StackMoments stacks(Dense(kernels, job), layout, fitted,
                              batch.moments + index * batch.width * batch.width);
    Innovation given_f{};
    batch.status[index] =
        condition(kernels, stacks, o.y, o.f, o.e, same(o.y, o.e), batch.ridge, batch.tolerance, job, given_f);
    if (batch.status[index] != OK || job.cancelled()) return;
    store_rows(given_f.y_on_f, given_f.y_on_f.rows, batch.y_on_f, index);
    store_rows(given_f.e_on_f, given_f.e_on_f.rows, batch.e_on_f, index);
    store_rows(given_f.ye, given_f.ye.rows, batch.ye, index);
  });
}

}  // namespace exo
