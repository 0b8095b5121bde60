// Linear ridge probes from second moments: fitted on the training split's, judged on the held-out split's.
#include <cmath>
#include <limits>

#include "core/conventions.h"
#include "core/pool.h"
#include "core/regression.h"
#include "core/stages.h"

namespace exo {
namespace {

// Columns [begin, begin + cols) of rows [top, top + rows) of a (width, width) matrix.
Matrix cut(const double* s, std::size_t width, std::size_t top, std::size_t rows, std::size_t begin,
           std::size_t cols) {
  Matrix m(rows, cols);
  for (std::size_t i = 0; i < rows; ++i)
    std::copy(s + (top + i) * width + begin, s + (top + i) * width + begin + cols, m.row(i));
  return m;
}

Matrix leading(const Matrix& m, std::size_t rows, std::size_t cols) {
  return cut(m.data(), m.cols, 0, rows, 0, cols);
}

// z = [C D] [o; o'] against anything: the moments of [o; o'] with it, mapped.
struct Split {
  Matrix oo, oz, zz;               // (d,d), (d,rows), (rows,rows)
  std::vector<Matrix> ot, zt, tt;  // each target: (d,nt), (rows,nt), (nt,nt)
};

// Once the job is cancelled what is found is not to be used.
Split moments_of(const Kernels& k, const ProbeBatch& p, const double* s, const Job& job) {
  const std::size_t d = p.observation_dim, w = p.width;
  Matrix c(p.rows, d), dn(p.rows, d);
  std::copy(p.encoder_c, p.encoder_c + p.rows * d, c.data());
  std::copy(p.encoder_d, p.encoder_d + p.rows * d, dn.data());
  const auto map = [&](const Matrix& from_o, const Matrix& from_on) {
    Matrix out = times(k, c, from_o);
    product(k, dn, from_on, out, 1, 1);
    return out;
  };
  Split r;
  r.oo = cut(s, w, p.observation, d, p.observation, d);
  if (job.cancelled()) return r;
  const Matrix ono = cut(s, w, p.observation_next, d, p.observation, d);
  const Matrix oon = cut(s, w, p.observation, d, p.observation_next, d);
  if (job.cancelled()) return r;
  const Matrix onon = cut(s, w, p.observation_next, d, p.observation_next, d);
  const Matrix zo = map(r.oo, ono), zon = map(oon, onon);
  r.oz = Matrix(d, p.rows);
  for (std::size_t i = 0; i < p.rows; ++i)
    for (std::size_t j = 0; j < d; ++j) r.oz.at(j, i) = zo.at(i, j);
  r.zz = times_nt(k, zo, c);
  product_nt(k, zon, dn, r.zz, 1, 1);
  symmetrise(r.zz);
  for (std::size_t t = 0; t < p.target_count && !job.cancelled(); ++t) {
    const std::size_t begin = static_cast<std::size_t>(p.targets[2 * t]);
    const std::size_t width = static_cast<std::size_t>(p.targets[2 * t + 1]);
    r.ot.push_back(cut(s, w, p.observation, d, begin, width));
    r.zt.push_back(map(r.ot.back(), cut(s, w, p.observation_next, d, begin, width)));
    r.tt.push_back(cut(s, w, begin, width, begin, width));
  }
  return r;
}

// Half the log determinant of every leading block, log det (k,k) at [k - 1]: the pivots of one Cholesky
// factorisation. A pivot below `least` times its diagonal entry in `scale` makes the block, and all that
// contain it, singular.
std::vector<double> half_log_determinants(Matrix s, const Matrix& scale, double least) {
  std::vector<double> out(s.rows);
  double sum = 0;
  for (std::size_t j = 0; j < s.rows; ++j) {
    for (std::size_t k = 0; k < j; ++k) {
      double v = s.at(j, k);
      for (std::size_t m = 0; m < k; ++m) v -= s.at(j, m) * s.at(k, m);
      s.at(j, k) = s.at(k, k) > 0 ? v / s.at(k, k) : 0;
    }
    double pivot = s.at(j, j);
    for (std::size_t k = 0; k < j; ++k) pivot -= s.at(j, k) * s.at(j, k);
    const bool singular = !(pivot > least * scale.at(j, j));
    sum += singular ? -std::numeric_limits<double>::infinity() : 0.5 * std::log(pivot);
    s.at(j, j) = singular ? 0 : std::sqrt(pivot);
    out[j] = sum;
  }
  return out;
}

// E|t - W^T z|^2 on held-out moments for W fitted by ridge on training moments of the first k latents, scaled
// to unit variance first, because their own scales say nothing; a constant one explains nothing.
double probe_error(const Kernels& k, const Matrix& train_zz, const Matrix& train_zt, const Matrix& held_zz,
                   const Matrix& held_zt, double held_tt, std::size_t latents, double ridge) {
  const std::size_t nt = train_zt.cols;
  std::vector<double> scale(latents);
  for (std::size_t i = 0; i < latents; ++i)
    scale[i] = train_zz.at(i, i) > 0 ? 1 / std::sqrt(train_zz.at(i, i)) : 0;
  Matrix zz = leading(train_zz, latents, latents), weights = leading(train_zt, latents, nt);
  const auto scale_rows = [&](Matrix& m) {
    for (std::size_t i = 0; i < latents; ++i)
      for (std::size_t j = 0; j < m.cols; ++j) m.at(i, j) *= scale[i];
  };
  scale_rows(zz);
  for (std::size_t i = 0; i < latents; ++i) {
    for (std::size_t j = 0; j < latents; ++j) zz.at(i, j) *= scale[j];
    zz.at(i, i) = 1;
  }
  scale_rows(weights);
  if (!solve_semidefinite(k, with_ridge(zz, ridge), RELATIVE_TOLERANCE, weights))
    return std::numeric_limits<double>::quiet_NaN();
  scale_rows(weights);
  const Matrix mapped = times(k, leading(held_zz, latents, latents), weights);
  double error = held_tt;
  for (std::size_t i = 0; i < latents; ++i)
    for (std::size_t j = 0; j < nt; ++j) error += weights.at(i, j) * (mapped.at(i, j) - 2 * held_zt.at(i, j));
  return error;
}

// z moves to z2 = C o2 + D o2' in the paired view.
void consistency(const Kernels& k, const ProbeBatch& p, const Split& held) {
  std::fill(p.consistency, p.consistency + p.latent_count, std::numeric_limits<double>::quiet_NaN());
  if (p.pair_observation < 0 || p.pair_observation_next < 0) return;
  const std::size_t d = p.observation_dim;
  const std::size_t begins[] = {p.observation, p.observation_next,
                                static_cast<std::size_t>(p.pair_observation),
                                static_cast<std::size_t>(p.pair_observation_next)};
  Matrix moves[4];  // z - z2 as a map of (o, o', o2, o2')
  for (std::size_t b = 0; b < 4; ++b) {
    moves[b] = Matrix(p.rows, d);
    const double* from = b % 2 == 0 ? p.encoder_c : p.encoder_d;
    for (std::size_t i = 0; i < p.rows * d; ++i) moves[b].a[i] = b < 2 ? from[i] : -from[i];
  }
  std::vector<double> moved(p.rows, 0.0);
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = 0; b < 4; ++b) {
      const Matrix half = times(k, moves[a], cut(p.held_out, p.width, begins[a], d, begins[b], d));
      for (std::size_t i = 0; i < p.rows; ++i)
        for (std::size_t j = 0; j < d; ++j) moved[i] += half.at(i, j) * moves[b].at(i, j);
    }
  for (std::size_t m = 0; m < p.latent_count; ++m) {
    double numerator = 0, variance = 0;
    for (std::size_t i = 0; i < std::min(p.rows, static_cast<std::size_t>(p.latents[m])); ++i) {
      numerator += moved[i];
      variance += held.zz.at(i, i);
    }
    p.consistency[m] = std::max(0.0, numerator) / (2 * variance);
  }
}

}  // namespace

void probe(const Kernels& kernels, const ProbeBatch& p, Job& job) {
  const Split train = moments_of(kernels, p, p.train, job), held = moments_of(kernels, p, p.held_out, job);
  if (job.cancelled()) return;
  const Matrix regularised = with_ridge(train.oo, p.ridge);
  Matrix from_o_z = train.oz;  // weights of the probe o -> z
  solve_semidefinite(kernels, regularised, RELATIVE_TOLERANCE, from_o_z, &job);
  if (job.cancelled()) return;
  const auto residual_zz = [&](const Split& s) {
    Matrix r = residual_covariance(kernels, s.zz, s.oz, s.oz, s.oo, from_o_z, from_o_z, &job);
    symmetrise(r);
    return r;
  };
  const Matrix train_zz = residual_zz(train), held_zz = residual_zz(held);

  job.expect(p.target_count);
  parallel_for(job, p.target_count, [&](std::size_t t, std::size_t) {
    Matrix from_o_t = train.ot[t];
    solve_semidefinite(kernels, regularised, RELATIVE_TOLERANCE, from_o_t, &job);
    if (job.cancelled()) return;
    const auto residual_zt = [&](const Split& s) {
      return residual_covariance(kernels, s.zt[t], s.oz, s.ot[t], s.oo, from_o_z, from_o_t, &job);
    };
    const Matrix train_zt = residual_zt(train), held_zt = residual_zt(held);
    const Matrix held_tt =
        residual_covariance(kernels, held.tt[t], held.ot[t], held.ot[t], held.oo, from_o_t, from_o_t, &job);
    const double total = trace(held.tt[t]), left = trace(held_tt);
    p.remaining[t] = left;
    if (p.latent_count == 0) return;
    for (std::size_t m = 0; m < p.latent_count; ++m) {
      const std::size_t latents = std::min(p.rows, static_cast<std::size_t>(p.latents[m]));
      const double conditional =
          probe_error(kernels, train_zz, train_zt, held_zz, held_zt, left, latents, p.ridge);
      const double raw =
          probe_error(kernels, train.zz, train.zt[t], held.zz, held.zt[t], total, latents, p.ridge);
      const double nan = std::numeric_limits<double>::quiet_NaN();
      p.conditional[m * p.target_count + t] = left > VOID_PROBE * total ? conditional / left : nan;
      p.raw[m * p.target_count + t] = total > 0 ? raw / total : nan;
    }
    // Information, from the latent's side.
    Matrix train_tz(train_zt.cols, train_zt.rows), held_tz(held_zt.cols, held_zt.rows);
    for (std::size_t i = 0; i < train_zt.rows; ++i)
      for (std::size_t j = 0; j < train_zt.cols; ++j) {
        train_tz.at(j, i) = train_zt.at(i, j);
        held_tz.at(j, i) = held_zt.at(i, j);
      }
    const Matrix train_tt = residual_covariance(kernels, train.tt[t], train.ot[t], train.ot[t], train.oo,
                                                from_o_t, from_o_t, &job);
    Matrix from_t = train_tz;
    solve_semidefinite(kernels, with_ridge(train_tt, p.ridge), RELATIVE_TOLERANCE, from_t, &job);
    if (job.cancelled()) return;
    Matrix unexplained =
        residual_covariance(kernels, held_zz, held_tz, held_tz, held_tt, from_t, from_t, &job);
    symmetrise(unexplained);
    const std::vector<double> before = half_log_determinants(held_zz, held_zz, 0);
    const std::vector<double> after = half_log_determinants(unexplained, held_zz, EXACT_RELATION);
    for (std::size_t m = 0; m < p.latent_count; ++m) {
      std::size_t k = std::min(p.rows, static_cast<std::size_t>(p.latents[m]));
      while (k > 0 && !std::isfinite(before[k - 1])) --k;  // latents beyond the rank are constant
      p.information[m * p.target_count + t] = left > VOID_PROBE * total
                                                  ? (k == 0 ? 0 : std::max(0.0, before[k - 1] - after[k - 1]))
                                                  : std::numeric_limits<double>::quiet_NaN();
    }
  });
  consistency(kernels, p, held);
}

}  // namespace exo
