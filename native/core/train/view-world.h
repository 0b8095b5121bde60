// Fresh transitions of a nonlinear world, drawn in f32: ViewWorldSource of lib/backend/batch-sources.ts.
#pragma once
#include <memory>
#include <vector>

#include "core/train/source.h"
#include "core/view.h"

namespace exo {

struct ViewWorldSpec {
  std::size_t observation_dim, endogenous_dim, exogenous_dim, action_dim;
  const double* parameters;          // (PARAMETER_COUNT)
  const double* action_effect;       // (ds, da)
  const double* state_feedback;      // (da, ds)
  const double* exogenous_feedback;  // (da, dx)
  ViewSpec view;
};

class ViewWorld : public BatchSource {
 public:
  // Keeps no pointer into the spec. fill() wants the kernels that it is made with.
  ViewWorld(const Kernels& kernels, const ViewWorldSpec& spec);
  void fill(const Kernels& kernels, std::uint64_t seed, std::uint64_t first, const RowNeeds& needs,
            const Rows& rows, std::vector<float>& scratch) const override;

 private:
  struct Drawing;
  std::size_t d_, ds_, dx_, da_;
  std::vector<float> parameters_, action_effect_, state_feedback_, exogenous_feedback_;
  std::unique_ptr<View> view_;
};

}  // namespace exo
