#include "core/train-moments.h"

#include <cmath>

#include "core/conventions.h"
#include "core/lbfgs.h"
#include "core/partly-labelled.h"
#include "core/pool.h"
#include "core/regression.h"

namespace exo {
namespace {

Matrix block(const double* s, std::size_t width, std::size_t top, std::size_t rows, std::size_t left,
             std::size_t cols) {
  Matrix out(rows, cols);
  for (std::size_t i = 0; i < rows; ++i)
    std::copy(s + (top + i) * width + left, s + (top + i) * width + left + cols, out.row(i));
  return out;
}

// The sign of an eigenvector is free: the entry of largest magnitude of every row becomes positive.
void fix_signs(Matrix& rows) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double largest = 0, sign = 1;
    for (std::size_t j = 0; j < rows.cols; ++j)
      if (std::fabs(rows.at(i, j)) > largest * (1 + SIGN_TIE)) {
        largest = std::fabs(rows.at(i, j));
        sign = rows.at(i, j) < 0 ? -1 : 1;
      }
    for (std::size_t j = 0; j < rows.cols; ++j) rows.at(i, j) *= sign;
  }
}

// Covariances given o of o' and a, by regressions with the ridge of everything on data.
struct Given {
  Matrix weights_next, weights_action;
  Matrix next, cross, action;  // cov(o'), cov(o', a), cov(a)
};
bool given_observation(const Kernels& k, const TrainMomentsBatch& b, const double* s, bool actions,
                       Given& g) {
  const std::size_t d = b.observation_dim, da = b.action_dim, w = b.width;
  const Matrix oo = block(s, w, b.observation, d, b.observation, d),
               on = block(s, w, b.observation, d, b.observation_next, d);
  const Matrix regularised = with_ridge(oo, b.ridge);
  g.weights_next = on;
  if (!solve_semidefinite(k, regularised, b.tolerance, g.weights_next)) return false;
  g.next = residual_covariance(k, block(s, w, b.observation_next, d, b.observation_next, d), on, on, oo,
                               g.weights_next, g.weights_next);
  symmetrise(g.next);
  if (!actions) return true;
  const Matrix oa = block(s, w, b.observation, d, b.action, da);
  g.weights_action = oa;
  if (!solve_semidefinite(k, regularised, b.tolerance, g.weights_action)) return false;
  g.cross = residual_covariance(k, block(s, w, b.observation_next, d, b.action, da), on, oa, oo,
                                g.weights_next, g.weights_action);
  g.action = residual_covariance(k, block(s, w, b.action, da, b.action, da), oa, oa, oo, g.weights_action,
                                 g.weights_action);
  return true;
}

Innovations innovations_of(const Kernels& k, const TrainMomentsBatch& b, std::size_t set) {
  Innovations out;
  const double* s = b.moments + set * b.width * b.width;
  Given g;
  if (!given_observation(k, b, s, false, g)) {
    out.status = NOT_CONVERGED;
    return out;
  }
  const std::size_t d = b.observation_dim;
  double total = 0;
  for (std::size_t i = 0; i < d; ++i) total += s[(b.observation_next + i) * (b.width + 1)];
  out.gamma = g.weights_next;
  Matrix u = g.next;
  std::vector<double> values;
  if (!std::isfinite(trace(u))) {
    out.status = NON_FINITE;
  } else if (!eigen_symmetric(k, u, values)) {
    out.status = NOT_CONVERGED;
  } else if (!(values[0] > VOID_MOMENTS * total)) {
    out.status = EMPTY_PROBLEM;
  } else {
    std::size_t m = 0;
    while (m < d && values[m] > b.tolerance * values[0]) ++m;
    for (std::size_t i = m; i < d; ++i) out.left += std::max(values[i], 0.0);
    out.variance.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(m));
    out.whiten = Matrix(m, d);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < d; ++j) out.whiten.at(i, j) = u.at(i, j) / std::sqrt(values[i]);
    fix_signs(out.whiten);
  }
  return out;
}

// The labelled rows' own regression on o is what C fits to them.
bool labels_of(const Kernels& k, const TrainMomentsBatch& b, const Innovations& all, std::size_t index,
               Labels& out) {
  Given g;
  if (!given_observation(k, b, b.labelled + index * b.width * b.width, true, g)) return false;
  out.weight = b.weight[index];
  out.n = times_nt(k, times(k, all.whiten, g.next), all.whiten);
  symmetrise(out.n);
  // Few labels leave directions of w without variance; there the head has nothing to fit.
  for (std::size_t i = 0; i < out.n.rows; ++i) out.n.at(i, i) += LATENT_RIDGE;
  out.p = times(k, all.whiten, g.cross);
  out.q = std::max(0.0, trace(g.action));
  return true;
}

// The leading eigenvectors of L + weight r r^T.
bool leading(const Kernels& k, const std::vector<double>& variance, double weight, const Matrix& r,
             std::size_t latents, std::vector<double>& d) {
  const std::size_t m = variance.size();
  Matrix s = times_nt(k, r, r);
  for (double& v : s.a) v *= weight;
  for (std::size_t i = 0; i < m; ++i) s.at(i, i) += variance[i];
  symmetrise(s);
  std::vector<double> values;
  if (!eigen_symmetric(k, s, values)) return false;
  d.assign(s.data(), s.data() + latents * m);
  return true;
}

// Where to begin: supervision as if the labelled moments were those of all rows, reconstruction alone, the
// labels' regression of the action on w in the place of its covariance, and random ones.
constexpr std::size_t CLOSED_STARTS = 3;
bool start_of(const Kernels& k, const TrainMomentsBatch& b, const Innovations& all, const Labels& labels,
              std::size_t which, std::size_t latents, std::vector<double>& d) {
  if (which == 0) return leading(k, all.variance, labels.weight, labels.p, latents, d);
  if (which == 1) return leading(k, all.variance, 0, labels.p, latents, d);
  if (which == 2) {
    Matrix weights = labels.p;
    return solve_semidefinite(k, labels.n, b.tolerance, weights) &&
           leading(k, all.variance, labels.weight, weights, latents, d);
  }
  d.assign(latents * all.variance.size(), 0.0);
  k.normals(d.data(), b.seed, which, 0, d.size());
  return true;
}

// z at unit variance given o, in the order of what its latents explain: the loss knows z up to its basis
// only.
bool canonical(const Kernels& k, const Innovations& all, Matrix& d) {
  const std::size_t m = all.variance.size();
  Matrix gram = times_nt(k, d, d);
  symmetrise(gram);
  std::vector<double> values;
  if (!eigen_symmetric(k, gram, values)) return false;
  for (std::size_t i = 0; i < d.rows; ++i) {
    if (!(values[i] > 0)) return false;
    for (std::size_t j = 0; j < d.rows; ++j) gram.at(i, j) /= std::sqrt(values[i]);
  }
  d = times(k, gram, d);
  Matrix scaled = d;
  for (std::size_t i = 0; i < d.rows; ++i)
    for (std::size_t j = 0; j < m; ++j) scaled.at(i, j) *= all.variance[j];
  Matrix explained = times_nt(k, scaled, d);
  symmetrise(explained);
  if (!eigen_symmetric(k, explained, values)) return false;
  d = times(k, explained, d);
  return true;
}

void write_encoder(const Kernels& k, const TrainMomentsBatch& b, const Innovations& all, const Matrix& d,
                   std::size_t index) {
  const std::size_t o = b.observation_dim;
  Matrix next = times(k, d, all.whiten);
  fix_signs(next);
  const Matrix now = times_nt(k, next, all.gamma);
  double* c_out = b.encoder_c + index * b.latent * o;
  double* d_out = b.encoder_d + index * b.latent * o;
  std::fill(c_out, c_out + b.latent * o, 0.0);
  std::fill(d_out, d_out + b.latent * o, 0.0);
  for (std::size_t i = 0; i < next.a.size(); ++i) {
    d_out[i] = next.a[i];
    c_out[i] = -now.a[i];
  }
}

Status train_one(const Kernels& k, const TrainMomentsBatch& b, const Innovations& all, std::size_t index,
                 const Job& job) {
  if (all.status) return all.status;
  Labels labels;
  if (!labels_of(k, b, all, index, labels)) return NOT_CONVERGED;
  if (!std::isfinite(trace(labels.n)) || !std::isfinite(labels.q)) return NON_FINITE;
  const std::size_t m = all.variance.size(), latents = std::min(b.latent, m);
  const PartlyLabelled loss(k, all, labels);
  const LbfgsOptions options{b.iterations, FLAT, loss.scale(), latents};
  Matrix best(latents, m);
  LbfgsOutcome outcome{NON_FINITE, INFINITY, 0, 0};
  for (std::size_t s = 0; s < CLOSED_STARTS + b.starts && !job.cancelled(); ++s) {
    std::vector<double> d;
    if (!start_of(k, b, all, labels, s, latents, d)) continue;
    const LbfgsOutcome found = lbfgs(loss, d, options, k, job);
    if (found.status == NON_FINITE || !(found.value < outcome.value)) continue;
    outcome = found;
    best.a.assign(d.begin(), d.end());
  }
  if (outcome.status == NON_FINITE) return NON_FINITE;
  if (!canonical(k, all, best)) return NOT_CONVERGED;
  if (!loss.terms(best, b.reconstruction[index], b.head[index])) return NOT_CONVERGED;
  b.loss[index] = b.reconstruction[index] + labels.weight * b.head[index];
  b.gradient[index] = outcome.gradient;
  b.steps[index] = static_cast<std::int32_t>(outcome.iterations);
  write_encoder(k, b, all, best, index);
  return outcome.status;
}

}  // namespace

void train_moments(const Kernels& kernels, const TrainMomentsBatch& batch, Job& job) {
  job.expect(batch.sets + batch.count);
  std::vector<Innovations> all(batch.sets);
  parallel_for(job, batch.sets,
               [&](std::size_t set, std::size_t) { all[set] = innovations_of(kernels, batch, set); });
  if (job.cancelled()) return;
  parallel_for(job, batch.count, [&](std::size_t index, std::size_t) {
    const auto set = static_cast<std::size_t>(batch.set[index]);
    batch.status[index] = train_one(kernels, batch, all[set], index, job);
  });
}

}  // namespace exo
