// The loss of docs/theory.md section 6, item 1: reconstruction from the moments of all rows, the action head
// from those of the labelled rows alone, as a function of the encoder's D once everything else is at its
// best.
//
// Everything is given o, and in coordinates w of the innovation of unit variance over all rows, so that with
// z = D w, G = (D D^T)^-1 and Y = (D N D^T)^-1 D P:
//   reconstruction  tr L - tr G D L D^T      L the innovation's variances
//   head            tr Q - tr Y^T D P        N = cov(w), P = cov(w, a), Q = cov(a) over labelled rows
// A has taken up all that o predicts of o', C all that o predicts of the labelled actions: with latentDim >=
// actionDim that costs the reconstruction nothing.
#pragma once
#include <vector>

#include "core/matrix.h"
#include "core/status.h"

namespace exo {

// What all rows say.
struct Innovations {
  Status status = OK;
  Matrix gamma;                  // (d, d): weights of o' on o
  Matrix whiten;                 // (m, d): w = whiten (o' - gamma^T o)
  std::vector<double> variance;  // (m), descending
  double left = 0;               // variance in directions that w leaves out
};

// What the labelled rows say; weight x labelFraction is in `weight`.
struct Labels {
  Matrix n;      // (m, m)
  Matrix p;      // (m, actionDim)
  double q = 0;  // trace
  double weight = 0;
};

class PartlyLabelled {
 public:
  PartlyLabelled(const Kernels& k, const Innovations& innovations, const Labels& labels)
      : k_(k), all_(innovations), labels_(labels) {}
  double scale() const;
  // x: D (latents, m). NaN where D has dependent rows.
  double operator()(const std::vector<double>& x, std::vector<double>& gradient) const;
  // Both terms, the head's without its weight, summed from what is left and not by subtraction.
  bool terms(const Matrix& d, double& reconstruction, double& head) const;

 private:
  const Kernels& k_;
  const Innovations& all_;
  const Labels& labels_;
};

}  // namespace exo
