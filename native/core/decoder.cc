#include "core/decoder.h"

#include "core/regression.h"

namespace exo {
namespace {

// Rows of `a`, which are those of y, without those of actions.
Matrix without_actions(const StackMoments& stacks, const Stack& y, const Matrix& a) {
  Matrix out(0, a.cols);
  std::size_t from = 0;
  for (std::int32_t b = 0; b < y.count; ++b) {
    const std::size_t width = stacks.width(y.blocks[b]);
    if (y.blocks[b].terms[0].variable != ACTION) {
      out.a.insert(out.a.end(), a.row(from), a.row(from) + width * a.cols);
      out.rows += width;
    }
    from += width;
  }
  return out;
}

Matrix transposed(const Matrix& a) {
  Matrix out(a.cols, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) out.at(j, i) = a.at(i, j);
  return out;
}

// P, or the identity where observations are seen as they are.
Matrix seen(const StackMoments& stacks, std::size_t observation_dim) {
  if (stacks.projection().rows) return stacks.projection();
  Matrix one(observation_dim, observation_dim);
  for (std::size_t i = 0; i < observation_dim; ++i) one.at(i, i) = 1;
  return one;
}

}  // namespace

Status decode(const Kernels& k, const StackMoments& stacks, const Objective& o, const Innovation& given_f,
              const Solved& encoder, double ridge, double tolerance, const Job& job, Decoder& out) {
  const Dense dense(k, job);
  // With z = G e, column i of B is cov(y, z_i given f) / lambda_i, because G S_ye^T = Lambda B^T.
  out.b = without_actions(stacks, o.y, times_nt(dense, given_f.ye, encoder.weights));
  for (std::size_t i = 0; i < out.b.rows; ++i)
    for (std::size_t j = 0; j < out.b.cols; ++j)
      out.b.at(i, j) = encoder.lambda[j] > 0 ? out.b.at(i, j) / encoder.lambda[j] : 0;
  if (job.cancelled()) return OK;

  if (o.f.count == 0) {
    // The target is o' - o: o' = o + B z.
    out.a = seen(stacks, encoder.d.cols);
  } else {
    out.a = without_actions(stacks, o.y, transposed(given_f.y_on_f));
    // As solved, z = G e still holds what f tells of it; in the innovation gauge it does not.
    if (!o.innovation) {
      const Matrix held = times_nt(dense, encoder.weights, given_f.e_on_f);
      dense.product(false, false, out.a.rows, out.a.cols, held.rows, -1, out.b.data(), out.b.cols,
                    held.data(), held.cols, 1, out.a.data(), out.a.cols);
    }
    if (stacks.projection().rows) out.a = times(dense, out.a, stacks.projection());
  }
  if (job.cancelled()) return OK;

  if (o.innovation) {
    out.innovation_c = encoder.c;
    return OK;
  }
  const Stack now = plain(OBSERVATION), next = plain(OBSERVATION_NEXT);
  Matrix gamma = stacks.covariance(now, next);
  if (!solve_semidefinite(k, with_ridge(stacks.covariance(now, now), ridge), tolerance, gamma, &job))
    return NOT_CONVERGED;
  out.innovation_c = Matrix(encoder.d.rows, encoder.d.cols);
  dense.product(false, true, encoder.d.rows, gamma.rows, gamma.cols, -1, encoder.d.data(), encoder.d.cols,
                gamma.data(), gamma.cols, 0, out.innovation_c.data(), out.innovation_c.cols);
  return OK;
}

}  // namespace exo
