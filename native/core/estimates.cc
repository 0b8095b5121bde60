#include "core/estimates.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "core/fold-fit.h"
#include "core/fold-ridge.h"
#include "core/pool.h"
#include "core/wide-estimates.h"

namespace exo {
namespace {

// Sums of moments over the units of a group, and over some groups: additions alone, so that what stands still
// in all of them is exactly still in their sum.
class GroupSums {
 public:
  explicit GroupSums(const EstimatesBatch& b) : b_(b), sums_(b.groups), fold_of(b.groups, -1) {
    const std::size_t w = b.layout.width;
    for (std::size_t u = 0; u < b.units; ++u) {
      const auto g = static_cast<std::size_t>(b.group[u]);
      if (sums_[g].rows == 0) sums_[g] = Matrix(w, w);
      fold_of[g] = b.fold[u];
      const double* from = b.moments + u * w * w;
      for (std::size_t i = 0; i < w * w; ++i) sums_[g].a[i] += from[i];
    }
  }
  template <class Wanted>
  Matrix over(const Wanted& wanted) const {
    const std::size_t w = b_.layout.width;
    Matrix out(w, w);
    for (std::size_t g = 0; g < b_.groups; ++g)
      if (sums_[g].rows && wanted(g))
        for (std::size_t i = 0; i < w * w; ++i) out.a[i] += sums_[g].a[i];
    return out;
  }

 private:
  const EstimatesBatch& b_;
  std::vector<Matrix> sums_;

 public:
  std::vector<std::int32_t> fold_of;
};

// A failure of any task: the stage answers with it, and the others stop early.
class Outcome {
 public:
  explicit Outcome(std::uint8_t* status) : status_(status) { *status_ = OK; }
  void fail(Status s) { failed_.store(s, std::memory_order_relaxed); }
  bool failed() const { return failed_.load(std::memory_order_relaxed) != OK; }
  void settle() { *status_ = static_cast<std::uint8_t>(failed_.load()); }

 private:
  std::uint8_t* status_;
  std::atomic<int> failed_{OK};
};

struct Pair {
  std::int32_t first, second;
};

// Ridges that are asked for. Leaving folds f and g out serves f's choice, judged on g, and g's, judged on f.
void choose_ridges(const Kernels& k, const EstimatesBatch& b, const GroupSums& sums, Outcome& outcome,
                   Job& job, std::size_t after) {
  const auto folds = static_cast<std::int32_t>(b.folds);
  std::vector<Pair> pairs;
  for (std::int32_t f = 0; f < folds; ++f)
    for (std::int32_t g = f + 1; g < folds; ++g)
      if (std::isnan(b.ridges[f]) || std::isnan(b.ridges[g])) pairs.push_back({f, g});
  job.expect(pairs.size() + after);
  if (pairs.empty()) return;
  std::vector<Matrix> fold_sums;
  for (std::int32_t f = 0; f < folds; ++f)
    fold_sums.push_back(sums.over([&](std::size_t g) { return sums.fold_of[g] == f; }));
  std::vector<std::vector<double>> errors(pairs.size() * 2);
  parallel_for(job, pairs.size(), [&](std::size_t i, std::size_t) {
    if (outcome.failed()) return;
    const Pair p = pairs[i];
    const Matrix training =
        sums.over([&](std::size_t g) { return sums.fold_of[g] != p.first && sums.fold_of[g] != p.second; });
    // [0]: the choice of `first`, judged on `second`.
    const Matrix* held[2] = {
        std::isnan(b.ridges[p.first]) ? &fold_sums[static_cast<std::size_t>(p.second)] : nullptr,
        std::isnan(b.ridges[p.second]) ? &fold_sums[static_cast<std::size_t>(p.first)] : nullptr};
    if (!ridge_errors(k, b.layout, training, b.grid, b.grid_size, held, &errors[2 * i]))
      outcome.fail(NOT_CONVERGED);
  });
  if (outcome.failed() || job.cancelled()) return;
  for (std::int32_t f = 0; f < folds; ++f) {
    if (!std::isnan(b.ridges[f])) continue;
    std::vector<double> total(b.grid_size, 0.0);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].first != f && pairs[i].second != f) continue;
      const std::vector<double>& part = errors[2 * i + (pairs[i].first == f ? 0 : 1)];
      for (std::size_t g = 0; g < b.grid_size; ++g) total[g] += part[g];
    }
    b.ridges[f] = smallest_good_ridge(b.grid, total);
  }
}

class Folds {
 public:
  Folds(const Kernels& k, const EstimatesBatch& b, const GroupSums& sums, Outcome& outcome, Job& job)
      : k_(k), b_(b), sums_(sums), outcome_(outcome), job_(job) {
    for (std::size_t f = 0; f < b.folds; ++f) tasks_.push_back({f, b.groups});
    for (std::size_t f = 0; f < b.folds; ++f)
      for (std::size_t g = 0; g < b.groups; ++g)
        if (sums.fold_of[g] >= 0 && sums.fold_of[g] != static_cast<std::int32_t>(f)) tasks_.push_back({f, g});
    trained_.assign(b.folds * size(), 0.0);
    partial_.assign(b.folds * b.groups * size(), 0.0);
  }
  std::size_t count() const { return tasks_.size(); }

  void run() {
    const std::size_t answers = b_.answers() * per_answer() / 2;
    std::fill(b_.held, b_.held + answers * 2 * b_.units, 0.0);
    parallel_for(job_, tasks_.size(), [&](std::size_t i, std::size_t) {
      if (!outcome_.failed()) fit(tasks_[i].fold, tasks_[i].without);
    });
    if (outcome_.failed() || job_.cancelled()) return;
    std::fill(b_.training, b_.training + size(), 0.0);
    for (std::size_t f = 0; f < b_.folds; ++f)
      for (std::size_t i = 0; i < size(); ++i) b_.training[i] += trained_[f * size() + i];
    sum_replicates();
  }

 private:
  struct Task {
    std::size_t fold, without;  // without == groups: nothing is left out
  };
  // Numbers of one answer, and of all of them: (latent, metric, num and den).
  std::size_t per_answer() const { return b_.latent_count * ESTIMATED_COUNT * 2; }
  std::size_t size() const { return b_.answers() * per_answer(); }

  void fit(std::size_t f, std::size_t without) {
    const auto fold = static_cast<std::int32_t>(f);
    const auto latents = static_cast<std::size_t>(b_.latents[b_.latent_count - 1]);
    const std::size_t w = b_.layout.width;
    Matrix training = sums_.over([&](std::size_t g) { return sums_.fold_of[g] != fold && g != without; });
    FoldFit model(k_, b_.layout, b_.ridges[f], std::min(latents, b_.layout.observation.size), job_);
    if (Status s = model.condition(centred(training))) return outcome_.fail(s);
    std::vector<LatentForms> forms(b_.answers());
    for (std::size_t v = 0; v < forms.size(); ++v) {
      if (job_.cancelled()) return;
      const auto which = b_.chosen ? static_cast<std::size_t>(b_.chosen[f]) : v;
      if (Status s = model.fit(b_.objectives[which], forms[v])) return outcome_.fail(s);
    }
    std::vector<double> out(per_answer());
    const auto judge = [&](const Matrix& sums, double scale, const auto& take) {
      const Held on{&sums, nullptr, scale};
      const Left left = model.left(on);
      for (std::size_t v = 0; v < forms.size() && !job_.cancelled(); ++v) {
        std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
        model.errors(forms[v], on, left, b_.latents, b_.latent_count, out.data());
        take(v);
      }
    };
    if (without < b_.groups) {
      const Matrix held = sums_.over([&](std::size_t g) { return sums_.fold_of[g] == fold; });
      judge(about(held.data(), w, model.training().mean), 1, [&](std::size_t v) {
        std::copy(out.begin(), out.end(), &partial_[(f * b_.groups + without) * size() + v * per_answer()]);
      });
      return;
    }
    judge(model.training().covariance, model.training().count, [&](std::size_t v) {
      std::copy(out.begin(), out.end(), &trained_[f * size() + v * per_answer()]);
    });
    for (std::size_t u = 0; u < b_.units; ++u) {
      if (b_.fold[u] != fold) continue;
      judge(about(b_.moments + u * w * w, w, model.training().mean), 1, [&](std::size_t v) {
        for (std::size_t i = 0; i < per_answer(); ++i)
          b_.held[(v * per_answer() + i) * b_.units + u] = out[i];
      });
    }
  }

  // Without a group, its own fold keeps its model, and its other units their errors.
  void sum_replicates() {
    for (std::size_t i = 0; i < size(); ++i)
      for (std::size_t g = 0; g < b_.groups; ++g) {
        double sum = 0;
        for (std::size_t f = 0; f < b_.folds; ++f)
          if (sums_.fold_of[g] != static_cast<std::int32_t>(f))
            sum += partial_[(f * b_.groups + g) * size() + i];
        for (std::size_t u = 0; u < b_.units; ++u)
          if (b_.fold[u] == sums_.fold_of[g] && b_.group[u] != static_cast<std::int32_t>(g))
            sum += b_.held[i * b_.units + u];
        b_.replicates[i * b_.groups + g] = sum;
      }
  }

  const Kernels& k_;
  const EstimatesBatch& b_;
  const GroupSums& sums_;
  Outcome& outcome_;
  Job& job_;
  std::vector<Task> tasks_;
  std::vector<double> trained_;  // (folds, size)
  std::vector<double> partial_;  // (folds, groups, size)
};

}  // namespace

void estimate(const Kernels& kernels, const EstimatesBatch& batch, Job& job) {
  Outcome outcome(batch.status);
  if (batch.rows.count) {
    *batch.status = estimate_wide(kernels, batch, job);
    return;
  }
  const GroupSums sums(batch);
  Folds folds(kernels, batch, sums, outcome, job);
  choose_ridges(kernels, batch, sums, outcome, job, folds.count());
  if (!outcome.failed() && !job.cancelled()) folds.run();
  outcome.settle();
}

}  // namespace exo
