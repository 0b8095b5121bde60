// What a world shows of its states where that is not linear in them (docs/theory.md, "Nonlinear worlds").
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/kernels.h"

namespace exo {

// The numbering of VIEW_KINDS in lib/backend/views.ts.
enum class ViewKind : std::int32_t { LINEAR, MLP, SPRITES };

// A view as the addon reads it; a linear one is the request's mixing matrix.
struct ViewSpec {
  ViewKind kind = ViewKind::LINEAR;
  const std::int32_t* sizes = nullptr;  // MLP: widths from states to observation; SPRITES: (size)
  std::size_t size_count = 0;
  const float* numbers = nullptr;  // MLP: weights; SPRITES: (radius, radius, brightness, brightness, spread)
  std::size_t number_count = 0;

  // Null where the numbers fit states and observations of these widths, else what does not.
  const char* fault(std::size_t endogenous, std::size_t exogenous, std::size_t observation) const;
};

class View {
 public:
  virtual ~View() = default;
  // States before a transition, (rows, width) of s or of x, in place of draws of variance 1.
  enum class Of { ENDOGENOUS, EXOGENOUS };
  virtual void start(double*, std::size_t, std::size_t, Of) const {}
  virtual void start(float*, std::size_t, std::size_t, Of) const {}
  // out (rows, observation): what s (rows, ds) and x (rows, dx) look like, plus `noise` times what out holds.
  // A row's bits depend on that row alone.
  virtual void show(std::size_t rows, const float* s, std::size_t ds, const float* x, std::size_t dx,
                    float noise, float* out) const = 0;
};

// Null for a linear one.
std::unique_ptr<View> view_of(const Kernels& kernels, const ViewSpec& spec);

}  // namespace exo
