// One linear layer: weights, moments of the optimiser and what its gradient is made of.
#pragma once
#include <vector>

#include "core/train/blocks.h"

namespace exo {

// One optimiser step's numbers, or none: then gradients are kept.
template <class T>
struct Descending {
  Update<T> update;
  bool keep;
};

// What a batch was to a layer: its inputs, side by side, and the gradient of its outputs. An input that is
// null was absent.
template <class T>
struct Passage {
  std::vector<const Panelled<T>*> inputs;
  const Panelled<T>* back;
  bool with_bias;
};

template <class T>
class Layer {
 public:
  // inputs: widths, side by side. returning: the last so many of them get gradients.
  Layer(const TrainKernels<T>& k, std::vector<std::size_t> inputs, std::size_t outputs, std::size_t returning,
        bool bias, bool trained)
      : k_(&k), inputs_(std::move(inputs)), outputs_(outputs), bias_(bias), panels_(panels_of(k, outputs)) {
    for (const std::size_t w : inputs_) depth_ += w;
    for (std::size_t i = inputs_.size() - returning; i < inputs_.size(); ++i) returned_ += inputs_[i];
    depth_alloc_ = round_up(depth_ + k.lanes, k.lanes);
    columns_ = panels_.back().begin + panels_.back().width;
    const std::size_t size = depth_alloc_ * columns_;
    weights_ = Aligned<T>(size);
    biases_ = Aligned<T>(columns_);
    if (trained) {
      for (Aligned<T>* a : {&first_, &second_}) *a = Aligned<T>(size);
      for (Aligned<T>* a : {&bias_first_, &bias_second_, &bias_gradient_}) *a = Aligned<T>(columns_);
    }
    if (returned_ == 0) return;
    back_panels_ = panels_of(k, returned_);
    back_rows_ = round_up(outputs, k.lanes);
    back_weights_ = Aligned<T>(back_rows_ * (back_panels_.back().begin + back_panels_.back().width));
  }

  std::size_t outputs() const { return outputs_; }
  std::size_t parameters() const { return outputs_ * (depth_ + (bias_ ? 1 : 0)); }
  std::size_t panels() const { return panels_.size(); }
  // Multiply-adds of a row.
  std::size_t work() const { return depth_ * outputs_; }

  // One of the flat arrays (outputs, inputs), then (outputs), in or out.
  enum Array { WEIGHTS, FIRST, SECOND, GRADIENT };
  template <class From>
  void read(Array which, const From* flat) {
    each(which, [&](T& mine, std::size_t at) { mine = static_cast<T>(flat[at]); });
    if (which == WEIGHTS) turn();
  }
  template <class To>
  void write(Array which, To* flat) const {
    each(which, [&](T& mine, std::size_t at) { flat[at] = static_cast<To>(mine); });
  }
  // A second array beside the weights for their gradient, where it is kept.
  void keep_gradient() { gradient_ = Aligned<T>(depth_alloc_ * columns_); }

  // out = activation(inputs W^T + b), rows [begin, end). from: the first of the layer's inputs that is given.
  void forward(const std::vector<const Panelled<T>*>& inputs, std::size_t from, bool with_bias,
               Activation activation, std::size_t begin, std::size_t end, const Panelled<T>& out,
               const Panelled<T>* slope) const {
    std::vector<Segment<T>> segments;
    for (const Panelled<T>* b : inputs)
      segments.insert(segments.end(), b->segments().begin(), b->segments().end());
    std::size_t first = 0;
    for (std::size_t i = 0; i < from; ++i) first += inputs_[i];
    k_->forward({segments.data(), segments.size(), weights_.data(), depth_alloc_, first, panels_.data(),
                 panels_.size(), with_bias && bias_ ? biases_.data() : nullptr, activation, begin, end,
                 out.rows_alloc(), out.data(), slope ? slope->data() : nullptr});
  }

  // out = (back W) of the returned inputs, times the derivative of their activation.
  void backward(const Panelled<T>& back, Activation activation, const Panelled<T>* value, bool add,
                std::size_t begin, std::size_t end, const Panelled<T>& out) const {
    k_->backward({back.segments().data(), back.segments().size(), back_weights_.data(), back_rows_,
                  back_panels_.data(), back_panels_.size(), activation, value ? value->data() : nullptr, add,
                  begin, end, out.rows_alloc(), out.data()});
  }

  // Panel j of the weights follows the gradient that the passages make over `rows` rows.
  void descend(std::size_t j, const std::vector<Passage<T>>& passages, std::size_t rows,
               const Descending<T>& how) {
    const Panel panel = panels_[j];
    std::vector<std::vector<Segment<T>>> segments(passages.size());
    std::vector<Pass<T>> passes;
    for (std::size_t p = 0; p < passages.size(); ++p) {
      for (std::size_t i = 0; i < passages[p].inputs.size(); ++i) {
        const Panelled<T>* own = passages[p].inputs[i];
        const Panelled<T>* any = own ? own : passages[0].inputs[i];
        for (const Segment<T>& s : any->segments())
          segments[p].push_back({own ? s.at : nullptr, s.width, s.pitch});
      }
      passes.push_back({segments[p].data(), passages[p].back->panel(j)});
    }
    const std::size_t at = panel.begin * depth_alloc_;
    k_->descend({passes.data(), passes.size(), segments[0].size(), rows, panel.width, weights_.data() + at,
                 first_.data() + at, second_.data() + at, how.keep ? gradient_.data() + at : nullptr,
                 how.update});
    if (bias_) {
      T* sum = bias_gradient_.data() + panel.begin;
      std::fill_n(sum, panel.width, T(0));
      for (const Passage<T>& p : passages) {
        if (!p.with_bias) continue;
        const T* back = p.back->panel(j);
        for (std::size_t r = 0; r < rows; ++r)
          for (std::size_t c = 0; c < panel.width; ++c) sum[c] += back[r * panel.width + c];
      }
      if (!how.keep)
        k_->update(how.update, panel.width, sum, biases_.data() + panel.begin,
                   bias_first_.data() + panel.begin, bias_second_.data() + panel.begin);
    }
    if (!how.keep) turn_panel(j);
  }

 private:
  // visit(number, its index in the flat array).
  template <class Visit>
  void each(Array which, Visit visit) const {
    const Aligned<T>& of = which == WEIGHTS  ? weights_
                           : which == FIRST  ? first_
                           : which == SECOND ? second_
                                             : gradient_;
    for (const Panel& p : panels_)
      for (std::size_t f = 0; f < depth_; ++f)
        for (std::size_t o = p.begin; o < std::min(p.begin + p.width, outputs_); ++o)
          visit(of.data()[p.begin * depth_alloc_ + f * p.width + o - p.begin], o * depth_ + f);
    if (!bias_) return;
    const Aligned<T>& bias = which == WEIGHTS  ? biases_
                             : which == FIRST  ? bias_first_
                             : which == SECOND ? bias_second_
                                               : bias_gradient_;
    for (std::size_t o = 0; o < outputs_; ++o) visit(bias.data()[o], outputs_ * depth_ + o);
  }

  void turn() {
    for (std::size_t j = 0; j < panels_.size(); ++j) turn_panel(j);
  }
  // The weights of panel j as backward() reads them: (outputs, returned inputs).
  void turn_panel(std::size_t j) {
    const T* from = weights_.data() + panels_[j].begin * depth_alloc_;
    const std::size_t width = panels_[j].width, skip = depth_ - returned_;
    for (const Panel& p : back_panels_)
      k_->transpose(p.width, width, from + (skip + p.begin) * width, width,
                    back_weights_.data() + p.begin * back_rows_ + panels_[j].begin * p.width, p.width);
  }

  const TrainKernels<T>* k_;
  std::vector<std::size_t> inputs_;
  std::size_t outputs_, depth_ = 0, depth_alloc_ = 0, columns_ = 0, returned_ = 0, back_rows_ = 0;
  bool bias_;
  std::vector<Panel> panels_, back_panels_;
  Aligned<T> weights_, first_, second_, gradient_, back_weights_;
  Aligned<T> biases_, bias_first_, bias_second_, bias_gradient_;
};

}  // namespace exo
