#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/conventions.h"
#include "core/fold-fit.h"
#include "core/judging.h"
#include "core/pool.h"

namespace exo {
namespace {

using Target = NestedQuestion::Target;

// (S + ridge I)^-1 b in place of b, for S at unit diagonal; the first `free` regressors have LATENT_RIDGE
// where that is less. False where that is not positive definite.
bool solve(const Kernels& k, const Matrix& s, std::size_t free, double ridge, Matrix& b) {
  if (s.rows == 0 || b.cols == 0) return true;
  Matrix factor = s;
  for (std::size_t i = 0; i < s.rows; ++i)
    factor.at(i, i) += i < free ? std::min(ridge, LATENT_RIDGE) : ridge;
  if (!(k.cholesky(factor.data(), s.rows, s.rows) > 0)) return false;
  k.cholesky_solve(factor.data(), s.rows, s.rows, b.data(), b.cols, b.cols);
  return std::all_of(b.a.begin(), b.a.end(), [](double v) { return std::isfinite(v); });
}

// Regressors at unit variance, and the regressions on them. A column that stands still is left out.
class Ridge {
 public:
  Ridge(const Kernels& k, const Matrix& covariance) : Ridge(k, covariance, unit_scale(covariance), 0) {}
  // `scale`: what each regressor is multiplied with, 0 where it is left out.
  Ridge(const Kernels& k, const Matrix& covariance, std::vector<double> scale, std::size_t free)
      : k_(k), free_(free), scale_(std::move(scale)), s_(covariance) {
    for (std::size_t i = 0; i < s_.rows; ++i)
      for (std::size_t j = 0; j < s_.cols; ++j)
        s_.at(i, j) = i == j && scale_[i] == 0 ? 1 : s_.at(i, j) * scale_[i] * scale_[j];
  }
  // Weights (regressors, targets) from the covariance with the targets. A ridge that is too small for the
  // arithmetic grows by decades until it is not, or fails where it may not grow.
  bool weights(const Matrix& with_targets, double ridge, bool grow, Matrix& out) const {
    for (int decade = 0; decade < 16; ++decade, ridge = std::max(ridge * 10, LATENT_RIDGE)) {
      out = scaled(with_targets);
      if (solve(k_, s_, free_, ridge, out)) {
        out = scaled(out);
        return true;
      }
      if (!grow) return false;
    }
    return false;
  }

 private:
  Matrix scaled(Matrix m) const {
    for (std::size_t i = 0; i < m.rows; ++i)
      for (std::size_t j = 0; j < m.cols; ++j) m.at(i, j) *= scale_[i];
    return m;
  }
  const Kernels& k_;
  std::size_t free_;
  std::vector<double> scale_;
  Matrix s_;
};

Matrix picked(const Matrix& s, const std::vector<std::size_t>& rows, const std::vector<std::size_t>& cols) {
  Matrix out(rows.size(), cols.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < cols.size(); ++j) out.at(i, j) = s.at(rows[i], cols[j]);
  return out;
}

// Moments of one question in coordinates [given, added, targets].
struct Parts {
  std::size_t given, added, free, targets;
  std::vector<std::size_t> order;
  std::vector<Target> target;  // within the targets

  explicit Parts(const NestedQuestion& q)
      : given(q.given.size()), added(q.added.size()), free(q.free), targets(0) {
    order = q.given;
    order.insert(order.end(), q.added.begin(), q.added.end());
    for (const Target& t : q.targets) {
      target.push_back({targets, t.size});
      for (std::size_t i = 0; i < t.size; ++i) order.push_back(t.begin + i);
      targets += t.size;
    }
  }
  Columns of_given() const { return {0, given}; }
  Columns of_added() const { return {given, added}; }
  Columns of_targets() const { return {given + added, targets}; }
  // Added and targets, side by side.
  Columns rest() const { return {given, added + targets}; }
  Matrix of(const Matrix& s) const { return picked(s, order, order); }
};

// v^T S v summed over the columns of v, for v (S.rows, n).
double squares(const Kernels& k, const Matrix& s, const Matrix& v) {
  const Matrix product = times(k, s, v);
  double sum = 0;
  for (std::size_t i = 0; i < v.a.size(); ++i) sum += v.a[i] * product.a[i];
  return sum;
}

// Loadings (all of Parts, target.size) of a target less `weights` (columns of `at`, rows of it).
void subtract(Matrix& loadings, Columns at, const Matrix& weights, Target target) {
  for (std::size_t i = 0; i < at.size; ++i)
    for (std::size_t j = 0; j < target.size; ++j)
      loadings.at(at.begin + i, j) -= weights.at(i, target.begin + j);
}

// Regressions of one question on one set of training units.
class Nested {
 public:
  // c: covariance in the coordinates of `parts`.
  Nested(const Kernels& k, const Parts& parts, const Matrix& c)
      : k_(k), p_(parts), c_(c), given_(k, cut(c, parts.of_given(), parts.of_given())) {}

  // Conditions on what is given. False where the ridge is too small, unless it may grow.
  bool condition(double ridge, bool grow) {
    const Columns g = p_.of_given(), rest = p_.rest();
    if (!given_.weights(cut(c_, g, rest), ridge, grow, on_given_)) return false;
    return true;
  }
  // What the residuals of added and targets share, once conditioned; then regressions of one target on added.
  void share() {
    const Columns g = p_.of_given(), rest = p_.rest();
    left_ = cut(c_, rest, rest);
    if (g.size) {
      const Matrix gr = cut(c_, g, rest), gg = cut(c_, g, g);
      product_tn(k_, on_given_, gr, left_, -1, 1);
      product_tn(k_, gr, on_given_, left_, -1, 1);
      product_tn(k_, on_given_, times(k_, gg, on_given_), left_, 1, 1);
    }
    symmetrise(left_);
    // A column that what is given says all of is left out: what is there is rounding.
    std::vector<double> scale(p_.added, 0.0);
    for (std::size_t i = 0; i < p_.added; ++i) {
      const double own = c_.at(p_.given + i, p_.given + i), left = left_.at(i, i);
      if (left > NEGLIGIBLE_VARIANCE * own) scale[i] = 1 / std::sqrt(left);
    }
    added_.clear();
    added_.emplace_back(k_, cut(left_, {0, p_.added}, {0, p_.added}), std::move(scale), p_.free);
  }
  // Weights (added, target.size) of one target, and (added, targets) of all.
  bool fit(std::size_t target, double ridge, bool grow, Matrix& weights) const {
    const Target t = p_.target[target];
    return added_[0].weights(cut(left_, {0, p_.added}, {p_.added + t.begin, t.size}), ridge, grow, weights);
  }
  bool fit_all(double ridge, Matrix& weights) const {
    return added_[0].weights(cut(left_, {0, p_.added}, {p_.added, p_.targets}), ridge, false, weights);
  }

  // Squared errors of a target on sums of squares about the training mean, in the coordinates of parts:
  // without what is added.
  double before(std::size_t target, const Matrix& sums) const { return squares(k_, sums, without(target)); }
  double after(std::size_t target, const Matrix& weights, const Matrix& sums) const {
    Matrix loadings = without(target);
    const Target t = p_.target[target];
    subtract(loadings, p_.of_added(), weights, {0, t.size});
    if (p_.given == 0) return squares(k_, sums, loadings);
    // The added columns less what is given says of them.
    const Matrix through = times(k_, cut(on_given_, {0, p_.given}, {0, p_.added}), weights);
    for (std::size_t i = 0; i < p_.given; ++i)
      for (std::size_t j = 0; j < t.size; ++j) loadings.at(i, j) += through.at(i, j);
    return squares(k_, sums, loadings);
  }

 private:
  Matrix without(std::size_t target) const {
    const Target t = p_.target[target];
    Matrix loadings(p_.order.size(), t.size);
    for (std::size_t j = 0; j < t.size; ++j) loadings.at(p_.given + p_.added + t.begin + j, j) = 1;
    subtract(loadings, p_.of_given(), on_given_, {p_.added + t.begin, t.size});
    return loadings;
  }

  const Kernels& k_;
  const Parts& p_;
  const Matrix& c_;
  Ridge given_;
  Matrix on_given_;  // (given, added + targets)
  Matrix left_;      // (added + targets) squared
  std::vector<Ridge> added_;
};

double least(const double* grid, const std::vector<double>& errors) {
  return grid[std::min_element(errors.begin(), errors.end()) - errors.begin()];
}

class Judging {
 public:
  Judging(const Kernels& k, const NestedBatch& b, Job& job) : k_(k), b_(b), job_(job), group_fold_(b.groups) {
    const std::size_t w = b.width;
    group_.assign(b.groups, Matrix(w, w));
    for (std::size_t u = 0; u < b.units; ++u) {
      const auto g = static_cast<std::size_t>(b.group[u]);
      group_fold_[g] = static_cast<std::size_t>(b.fold[u]);
      for (std::size_t i = 0; i < w * w; ++i) group_[g].a[i] += b.moments[u * w * w + i];
    }
    folds_.assign(b.folds, Matrix(w, w));
    for (std::size_t g = 0; g < b.groups; ++g) add(folds_[group_fold_[g]], group_[g]);
    std::size_t place = 0;
    for (const NestedQuestion& q : b.questions) {
      parts_.emplace_back(q);
      first_.push_back(place);
      place += q.targets.size();
    }
    chosen_given_.assign(b.questions.size() * b.folds, 0.0);
    chosen_added_.assign(b.targets() * b.folds, 0.0);
    partial_.assign(b.targets() * 2 * b.folds * b.groups, 0.0);
    trained_.assign(b.targets() * 2 * b.folds, 0.0);
  }

  void run() {
    const std::size_t fits = b_.folds * (1 + b_.groups);
    job_.expect(b_.folds + fits);
    parallel_for(job_, b_.folds, [&](std::size_t fold, std::size_t) { choose(fold); });
    if (job_.cancelled()) return;
    parallel_for(job_, fits,
                 [&](std::size_t i, std::size_t) { fit(i / (1 + b_.groups), i % (1 + b_.groups)); });
    if (!job_.cancelled()) gather();
  }

 private:
  static void add(Matrix& to, const Matrix& from) {
    for (std::size_t i = 0; i < to.a.size(); ++i) to.a[i] += from.a[i];
  }
  // Sums over folds other than two (which may be one), group `left` - 1 left out where it is not 0: additions
  // alone, so that what stands still in all of them is exactly still in their sum.
  Matrix training(std::size_t fold, std::size_t other, std::size_t left) const {
    Matrix out(b_.width, b_.width);
    for (std::size_t f = 0; f < b_.folds; ++f) {
      if (f == fold || f == other) continue;
      if (left == 0 || group_fold_[left - 1] != f) {
        add(out, folds_[f]);
        continue;
      }
      for (std::size_t g = 0; g < b_.groups; ++g)
        if (group_fold_[g] == f && g != left - 1) add(out, group_[g]);
    }
    return out;
  }

  // The ridges of one outer fold, by errors on each of the other folds in turn.
  void choose(std::size_t fold) {
    std::vector<Matrix> covariances, held;
    for (std::size_t inner = 0; inner < b_.folds; ++inner) {
      if (inner == fold) continue;
      Centred c = centred(training(fold, inner, 0));
      held.push_back(about(folds_[inner].data(), b_.width, c.mean));
      covariances.push_back(std::move(c.covariance));
    }
    for (std::size_t question = 0; question < parts_.size() && !job_.cancelled(); ++question) {
      const Parts& parts = parts_[question];
      std::vector<Matrix> own, own_held;
      for (std::size_t i = 0; i < held.size(); ++i) {
        own.push_back(parts.of(covariances[i]));
        own_held.push_back(parts.of(held[i]));
      }
      choose(question, fold, own, own_held);
    }
  }
  void choose(std::size_t question, std::size_t fold, const std::vector<Matrix>& training,
              const std::vector<Matrix>& held) {
    const Parts& parts = parts_[question];
    const double worst = std::numeric_limits<double>::infinity();
    std::vector<double> given_errors(b_.grid_size, 0.0);
    if (parts.given)
      for (std::size_t i = 0; i < training.size() && !job_.cancelled(); ++i) {
        Nested n(k_, parts, training[i]);
        for (std::size_t g = 0; g < b_.grid_size; ++g) {
          if (!n.condition(b_.grid[g], false)) {
            given_errors[g] = worst;
            continue;
          }
          for (std::size_t t = 0; t < parts.target.size(); ++t)
            if (const double all = total(parts, t, held[i]); all > 0)
              given_errors[g] += n.before(t, held[i]) / all;
        }
      }
    const double given = least(b_.grid, given_errors);
    chosen_given_[question * b_.folds + fold] = given;
    std::vector<std::vector<double>> errors(parts.target.size(), std::vector<double>(b_.grid_size, 0.0));
    for (std::size_t i = 0; i < training.size() && !job_.cancelled(); ++i) {
      Nested n(k_, parts, training[i]);
      n.condition(given, true);
      n.share();
      for (std::size_t g = 0; g < b_.grid_size; ++g) {
        Matrix weights;
        const bool solved = n.fit_all(b_.grid[g], weights);
        for (std::size_t t = 0; t < parts.target.size(); ++t) {
          const Columns own{parts.target[t].begin, parts.target[t].size};
          errors[t][g] += solved ? n.after(t, cut(weights, {0, parts.added}, own), held[i]) : worst;
        }
      }
    }
    for (std::size_t t = 0; t < parts.target.size(); ++t)
      chosen_added_[(first_[question] + t) * b_.folds + fold] = least(b_.grid, errors[t]);
  }

  static double total(const Parts& parts, std::size_t target, const Matrix& sums) {
    double sum = 0;
    const std::size_t begin = parts.given + parts.added + parts.target[target].begin;
    for (std::size_t j = begin; j < begin + parts.target[target].size; ++j) sum += sums.at(j, j);
    return sum;
  }

  // One fold's regressions, without group `left` - 1 where that is not of the fold; 0: nothing is left out.
  void fit(std::size_t fold, std::size_t left) {
    if (left > 0 && group_fold_[left - 1] == fold) return;
    const Centred c = centred(training(fold, fold, left));
    if (left > 0) {
      const Matrix held = about(folds_[fold].data(), b_.width, c.mean);
      each_question(fold, c.covariance, [&](const Parts& parts, const auto& judge) {
        judge(parts.of(held),
              [&](std::size_t at, double v) { partial_[(at * b_.folds + fold) * b_.groups + left - 1] = v; });
      });
      return;
    }
    Matrix own = c.covariance;
    for (double& v : own.a) v *= c.count;
    std::vector<std::pair<std::size_t, Matrix>> held;
    for (std::size_t u = 0; u < b_.units; ++u)
      if (static_cast<std::size_t>(b_.fold[u]) == fold)
        held.emplace_back(u, about(b_.moments + u * b_.width * b_.width, b_.width, c.mean));
    each_question(fold, c.covariance, [&](const Parts& parts, const auto& judge) {
      judge(parts.of(own), [&](std::size_t at, double v) { trained_[at * b_.folds + fold] = v; });
      for (const auto& unit : held)
        judge(parts.of(unit.second),
              [&](std::size_t at, double v) { b_.held[at * b_.units + unit.first] = v; });
    });
  }

  // use(parts, judge) with the regressions of every question; judge(sums, take) calls take(place, error).
  template <class Use>
  void each_question(std::size_t fold, const Matrix& all, const Use& use) const {
    for (std::size_t question = 0; question < parts_.size() && !job_.cancelled(); ++question) {
      const Parts& parts = parts_[question];
      const Matrix covariance = parts.of(all);
      Nested n(k_, parts, covariance);
      n.condition(chosen_given_[question * b_.folds + fold], true);
      n.share();
      std::vector<Matrix> weights(parts.target.size());
      for (std::size_t t = 0; t < weights.size(); ++t)
        n.fit(t, chosen_added_[(first_[question] + t) * b_.folds + fold], true, weights[t]);
      use(parts, [&](const Matrix& held, const auto& take) {
        for (std::size_t t = 0; t < weights.size(); ++t) {
          const std::size_t at = 2 * (first_[question] + t);
          take(at, n.after(t, weights[t], held));
          take(at + 1, n.before(t, held));
        }
      });
    }
  }

  // Without a group, its own fold keeps its regressions, and its other units their errors.
  void gather() {
    for (std::size_t at = 0; at < 2 * b_.targets(); ++at) {
      b_.training[at] = 0;
      for (std::size_t f = 0; f < b_.folds; ++f) b_.training[at] += trained_[at * b_.folds + f];
      for (std::size_t g = 0; g < b_.groups; ++g) {
        double sum = 0;
        for (std::size_t f = 0; f < b_.folds; ++f)
          if (group_fold_[g] != f) sum += partial_[(at * b_.folds + f) * b_.groups + g];
        for (std::size_t u = 0; u < b_.units; ++u)
          if (static_cast<std::size_t>(b_.fold[u]) == group_fold_[g] &&
              static_cast<std::size_t>(b_.group[u]) != g)
            sum += b_.held[at * b_.units + u];
        b_.replicates[at * b_.groups + g] = sum;
      }
    }
    for (std::size_t q = 0; q < b_.questions.size(); ++q)
      for (std::size_t t = first_[q]; t < first_[q] + parts_[q].target.size(); ++t)
        for (std::size_t f = 0; f < b_.folds; ++f) {
          b_.ridges[2 * t * b_.folds + f] = chosen_added_[t * b_.folds + f];
          b_.ridges[(2 * t + 1) * b_.folds + f] = chosen_given_[q * b_.folds + f];
        }
  }

  const Kernels& k_;
  const NestedBatch& b_;
  Job& job_;
  std::vector<Matrix> group_, folds_;
  std::vector<std::size_t> group_fold_, first_;
  std::vector<Parts> parts_;
  std::vector<double> chosen_given_;  // (questions, folds)
  std::vector<double> chosen_added_;  // (T, folds)
  std::vector<double> partial_;       // (T, 2, folds, groups)
  std::vector<double> trained_;       // (T, 2, folds)
};

}  // namespace

void nested_errors(const Kernels& kernels, const NestedBatch& batch, Job& job) {
  Judging(kernels, batch, job).run();
}

}  // namespace exo
