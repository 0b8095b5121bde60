#include "core/wide-estimates.h"

#include <cmath>
#include <limits>

#include "core/fold-fit.h"
#include "core/fold-ridge.h"
#include "core/pool.h"
#include "core/stack-moments.h"
#include "core/unit-rows.h"
#include "core/wide-ridge.h"

namespace exo {
namespace {

constexpr std::size_t HELD = 256;  // rows that are judged at a time

class WideEstimates {
 public:
  WideEstimates(const Kernels& k, const EstimatesBatch& b, Job& job)
      : k_(k), b_(b), job_(job), dense_(k, job), rows_(dense_, b.layout, b.rows, b.folds, b.fold, b.units) {
    const auto folds = static_cast<std::int32_t>(b.folds);
    for (std::int32_t f = 0; f < folds; ++f)
      for (std::int32_t g = f + 1; g < folds; ++g) pairs_.push_back({f, g});
    trained_.assign(size(), 0.0);
    partial_.assign(b.folds * b.folds * size(), 0.0);
  }

  Status run() {
    std::vector<LeftOut> sets = pairs_;
    for (std::size_t f = 0; f < b_.folds; ++f) sets.push_back({static_cast<std::int32_t>(f), -1});
    std::size_t choices = 0;
    for (const LeftOut& pair : pairs_) choices += chooses(pair.one) || chooses(pair.other);
    job_.expect(choices + sets.size());
    if (const Status status = choose_ridges()) return status;
    if (job_.cancelled()) return OK;  // before much memory is taken
    std::fill(b_.held, b_.held + size() * b_.units, 0.0);
    const std::size_t width = moments_width();
    MovingSums moments(rows_, b_.folds, width, width);
    for (const LeftOut& left : in_short_moves(std::move(sets))) {
      if (job_.cancelled()) return OK;
      moments.move_to(left.one, left.other);
      if (job_.cancelled()) return OK;
      if (const Status status = fit(left, moments)) return status;
      job_.advance();
    }
    std::copy(trained_.begin(), trained_.end(), b_.training);
    // Without a fold, its own units are not judged by what it trained: they keep no errors of theirs.
    for (std::size_t i = 0; i < size(); ++i)
      for (std::size_t g = 0; g < b_.groups; ++g) {
        double sum = 0;
        for (std::size_t f = 0; f < b_.folds; ++f)
          if (f != g) sum += partial_[(f * b_.folds + g) * size() + i];
        b_.replicates[i * b_.groups + g] = sum;
      }
    return OK;
  }

 private:
  // Numbers of one answer, and of all of them: (latent, metric, num and den).
  std::size_t per_answer() const { return b_.latent_count * ESTIMATED_COUNT * 2; }
  std::size_t size() const { return b_.answers() * per_answer(); }
  // Of a paired view no moments are needed where no objective sees it: it is the last in a layout.
  std::size_t moments_width() const {
    const Columns pair = b_.layout.pair_observation;
    for (const Fitted& f : b_.objectives)
      if (uses(f.objective, PAIR_OBSERVATION) || uses(f.objective, PAIR_OBSERVATION_NEXT))
        return b_.layout.width;
    return pair.size > 0 ? pair.begin : b_.layout.width;
  }
  bool chooses(std::int32_t fold) const { return std::isnan(b_.ridges[fold]); }

  Status choose_ridges() {
    std::vector<std::vector<double>> totals(b_.folds, std::vector<double>(b_.grid_size, 0.0));
    const Columns o = b_.layout.observation, next = b_.layout.observation_next;
    MovingSums moments(rows_, b_.folds, o.begin + o.size, next.begin + next.size);
    for (const LeftOut& pair : in_short_moves(pairs_)) {
      const bool wanted[2] = {chooses(pair.one), chooses(pair.other)};
      if (!wanted[0] && !wanted[1]) continue;
      std::vector<double> errors[2];
      if (!wide_ridge_errors(dense_, b_, rows_, moments, pair, wanted, errors)) return NOT_CONVERGED;
      if (job_.cancelled()) return OK;
      job_.advance();
      for (std::size_t g = 0; g < b_.grid_size; ++g) {
        totals[static_cast<std::size_t>(pair.one)][g] += errors[0][g];
        totals[static_cast<std::size_t>(pair.other)][g] += errors[1][g];
      }
    }
    for (std::size_t f = 0; f < b_.folds; ++f)
      if (std::isnan(b_.ridges[f])) b_.ridges[f] = smallest_good_ridge(b_.grid, totals[f]);
    return OK;
  }

  // Covariances in the place of sums, and back. Whether they can be moved on from there.
  Centred centred_in_place(MovingSums& moments, const UnitRows::Columnwise& seen) const {
    Matrix& s = moments.sums();
    const std::size_t w = s.cols;
    in_parallel(job_, w, [&](std::size_t i, std::size_t) {
      for (std::size_t j = i; j < w; ++j)
        s.at(i, j) = i == 0 || seen.still[i] || seen.still[j]
                         ? 0
                         : s.at(i, j) / seen.count - seen.mean[i] * seen.mean[j];
    });
    dense_.mirror_upper(s.data(), w, w);
    return {seen.count, seen.mean, std::move(s)};
  }
  void restore(MovingSums& moments, const UnitRows::Columnwise& seen, Centred training) const {
    Matrix& s = moments.sums();
    s = std::move(training.covariance);
    const std::size_t w = s.cols;
    for (std::size_t j = 1; j < w; ++j)
      if (seen.still[j] && !rows_.always_still()[j]) return moments.spoil();
    in_parallel(job_, w, [&](std::size_t i, std::size_t) {
      for (std::size_t j = i; j < w; ++j)
        s.at(i, j) = seen.count * (s.at(i, j) + (i == 0 && j == 0 ? 1
                                                 : i == 0         ? seen.mean[j]
                                                                  : seen.mean[i] * seen.mean[j]));
    });
  }
  Status fit(LeftOut left, MovingSums& moments) {
    const UnitRows::Columnwise seen = rows_.without(left.one, left.other);
    Centred training = centred_in_place(moments, seen);
    Status status = OK;
    const auto ridge = [&](std::int32_t f) { return b_.ridges[f]; };
    if (left.other < 0) {
      status = judge(training, ridge(left.one), {left});
    } else if (ridge(left.one) == ridge(left.other) &&
               (!b_.chosen || b_.chosen[left.one] == b_.chosen[left.other])) {
      status = judge(training, ridge(left.one), {left, {left.other, left.one}});
    } else {
      status = judge(training, ridge(left.one), {left});
      if (status == OK) status = judge(training, ridge(left.other), {{left.other, left.one}});
    }
    restore(moments, seen, std::move(training));
    return status;
  }

  // Fits what is seen, and judges it on the first fold of each of `on`: with no other fold the fold's own
  // model, else the one that was fitted without that other.
  Status judge(Centred& training, double ridge, const std::vector<LeftOut>& on) {
    const auto latents = static_cast<std::size_t>(b_.latents[b_.latent_count - 1]);
    FoldFit model(k_, b_.layout, ridge, std::min(latents, b_.layout.observation.size), job_);
    const auto take_back = [&](Status status) {
      training = model.take_training();
      return status;
    };
    if (const Status s = model.condition(std::move(training))) return take_back(s);
    std::vector<LatentForms> forms(b_.answers());
    for (std::size_t v = 0; v < forms.size(); ++v) {
      if (job_.cancelled()) return take_back(OK);
      const auto own = static_cast<std::size_t>(on[0].one);
      const auto which = b_.chosen ? static_cast<std::size_t>(b_.chosen[own]) : v;
      if (const Status s = model.fit(b_.objectives[which], forms[v])) return take_back(s);
    }
    for (const LeftOut& left : on) {
      const auto fold = static_cast<std::size_t>(left.one);
      if (left.other >= 0) {
        errors(model, forms, rows_.of_fold(fold), [&](std::size_t at, double value) {
          partial_[(fold * b_.folds + static_cast<std::size_t>(left.other)) * size() + at] = value;
        });
        continue;
      }
      for (std::size_t f = 0; f < b_.folds && !job_.cancelled(); ++f) {
        if (f == fold) continue;
        errors(model, forms, rows_.of_fold(f), [&](std::size_t at, double value) { trained_[at] += value; });
      }
      for (std::size_t u = 0; u < b_.units && !job_.cancelled(); ++u) {
        if (b_.fold[u] != left.one) continue;
        errors(model, forms, rows_.of_unit(u),
               [&](std::size_t at, double value) { b_.held[at * b_.units + u] = value; });
      }
    }
    return take_back(OK);
  }

  // The errors are sums over rows: some are in memory at a time.
  template <class Take>
  void errors(const FoldFit& model, const std::vector<LatentForms>& forms, const UnitRows::Rows& which,
              const Take& take) {
    std::vector<double> sums(forms.size() * per_answer(), 0.0), out(per_answer());
    for (std::size_t first = 0; first < which.size() && !job_.cancelled(); first += HELD) {
      const Matrix rows =
          rows_.rows(which, first, std::min(HELD, which.size() - first), model.training().mean);
      const Held held{nullptr, &rows, 1};
      const Left left = model.left(held);
      for (std::size_t v = 0; v < forms.size() && !job_.cancelled(); ++v) {
        std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
        model.errors(forms[v], held, left, b_.latents, b_.latent_count, out.data());
        for (std::size_t i = 0; i < out.size(); ++i) sums[v * per_answer() + i] += out[i];
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) take(i, sums[i]);
  }

  const Kernels& k_;
  const EstimatesBatch& b_;
  Job& job_;
  const Dense dense_;
  const UnitRows rows_;
  std::vector<LeftOut> pairs_;
  std::vector<double> trained_;  // (size)
  std::vector<double> partial_;  // (folds, folds, size): judged on the first, fitted without the second too
};

}  // namespace

void row_covariance(const Kernels& kernels, const UnitLayout& layout, const RowSource& source, double* out,
                    Job& job) {
  const Dense dense(kernels, job);
  const std::int32_t one_fold = 0;
  std::vector<std::int32_t> one_unit(source.count);
  RowSource together = source;
  for (std::size_t r = 0; r < source.count; ++r) one_unit[r] = std::min(source.unit[r], 0);
  together.unit = one_unit.data();
  const UnitRows rows(dense, layout, together, 1, &one_fold, 1);
  const UnitRows::Columnwise all = rows.without(-1, -1);
  rows.add_without_constant(0, out);
  const std::size_t n = layout.width - 1;
  in_parallel(job, n, [&](std::size_t i, std::size_t) {
    for (std::size_t j = i; j < n; ++j)
      out[i * n + j] = out[i * n + j] / all.count - all.mean[i + 1] * all.mean[j + 1];
  });
  dense.mirror_upper(out, n, n);
}

Status estimate_wide(const Kernels& kernels, const EstimatesBatch& batch, Job& job) {
  return WideEstimates(kernels, batch, job).run();
}

}  // namespace exo
