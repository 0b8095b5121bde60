// One fold's model and probes, from the second moments of its training units: what the stage of estimates
// fits many of.
#pragma once
#include <vector>

#include "core/fold-regression.h"
#include "core/status.h"

namespace exo {

// What a model is judged on, about its training mean: sums of squares and products, times `scale`; or the
// rows themselves.
struct Held {
  const Matrix* sums;  // (width, width), or null
  const Matrix* rows;  // (rows, width), or null
  double scale;        // of sums
};

// A target less its prediction from what is given.
struct Remainder {
  Columns target;
  std::vector<std::size_t> given;
  Matrix weights;  // (given, target)
};

// One or several remainders side by side, as loadings on their targets and on all that is given to any.
struct Source {
  std::vector<std::size_t> target, given;
  Matrix weights;  // (given, target)
  Regression on;   // of anything on it
};

// Loadings, their covariance with every column in training, and with each other.
struct Covered {
  Matrix rows, with, variance;
};

// What remainders leave of what is held: |t - prediction|^2 of each, and of rows those differences
// themselves.
struct Left {
  std::vector<double> squares;
  std::vector<Matrix> rows;  // (rows, target) each, where rows are held
};

// num_k = |t - prediction from what is given and the first k latents|^2, den = |t - prediction from what is
// given|^2.
struct Probed {
  Estimated metric;
  std::size_t remainder;  // index
  std::size_t latents;    // index
  Matrix gain;            // (K, target)
  Matrix gain_gram;       // (K, K)
};
// num_k = sum of the first k squared rows of `left`, den_k of `whole`.
struct Shared {
  Estimated metric;
  Matrix left;        // (K, width)
  std::size_t whole;  // index of latents
};
struct LatentForms {
  std::vector<Matrix> latents;  // (K, width) each: rows that are uncorrelated in training
  std::vector<Probed> probed;
  std::vector<Shared> shared;
};

// What does not depend on the objective. `fit` then serves any number of objectives, and of latent dimensions
// each.
class FoldFit {
 public:
  // Once the job is cancelled, both return early and what they leave is not to be used.
  FoldFit(const Kernels& k, const UnitLayout& layout, double ridge, std::size_t latents, const Job& job)
      : k_(k), dense_(k, job), layout_(layout), ridge_(ridge), latents_(latents), job_(job) {}
  // Moments may end before a paired view that no objective uses: it is then judged on rows alone.
  Status condition(Centred training);
  Status fit(const Fitted& objective, LatentForms& forms);

  const Centred& training() const { return training_; }
  // Hands its moments back: nothing can be fitted any more.
  Centred take_training() { return std::move(training_); }
  Left left(const Held& held) const;
  // out (latent_count, ESTIMATED_COUNT, 2), the entries of metrics that the data has.
  void errors(const LatentForms& forms, const Held& held, const Left& left, const std::int32_t* latent_dims,
              std::size_t latent_count, double* out) const;

 private:
  std::size_t remainder(Columns target, const std::vector<std::size_t>& given, const Regression* regression);
  Covered cover(Matrix rows) const;
  Matrix predicted_from(const Covered& rows, const std::vector<std::size_t>& given,
                        const Regression& regression) const;
  Matrix remainder_cross(const Matrix& rows_times, const Remainder& r) const;
  // What several remainders have to do with these rows.
  struct Asked {
    Estimated metric;
    std::int32_t remainder;  // -1: the data lacks it
  };
  void probe(LatentForms& forms, const std::vector<Asked>& asked, const Covered& rows) const;
  Source source(const std::vector<std::size_t>& remainders) const;
  Status explain();
  void share(LatentForms& forms, const Covered& rows) const;
  Matrix unexplained(const Matrix& whole, const Matrix& products, const Source& source) const;
  Status encoder(const Fitted& objective, Matrix& c, Matrix& d);
  const Matrix& gamma();
  Matrix by_next(const Matrix& d) const;
  bool leading_directions(Matrix& g);
  bool suppressing(double gain, Matrix& projection);

  const Kernels& k_;
  const Dense dense_;
  const UnitLayout& layout_;
  double ridge_;
  std::size_t latents_;
  const Job& job_;
  Centred training_;
  std::vector<std::size_t> on_observation_, on_seen_;
  Regression observation_, seen_;
  Matrix gamma_;  // weights of o' on o, once they were asked for: as wide as o both ways
  std::vector<Remainder> remainders_;
  std::vector<std::pair<Estimated, Source>> sources_;  // what z may be made of
  std::int32_t action_ = -1, future_ = -1, innovation_ = -1, endogenous_ = -1, raw_action_ = -1,
               raw_future_ = -1, raw_observation_ = -1;
  // Eigenpairs of cov(o' given o), once they were asked for.
  bool has_spectrum_ = false;
  std::vector<double> spectrum_;
  Matrix spectrum_vectors_;
  // Orthonormal directions of o' given o in which x' given o shows, and how much beside the first, once they
  // were asked for.
  bool has_shown_ = false;
  std::vector<double> shown_;
  Matrix shown_directions_;
};

}  // namespace exo
