#include "core/stack-moments.h"

namespace exo {
namespace {

bool is_noise(const Term& t) { return t.variable == ENCODER_NOISE || t.variable == DECODER_NOISE; }

}  // namespace

StackMoments::StackMoments(const Dense& dense, const UnitLayout& layout, const Fitted& fitted,
                           const double* covariance)
    : dense_(dense), layout_(layout), fitted_(fitted), s_(covariance) {
  projection_ = Matrix(fitted.projected, fitted.projected ? layout.observation.size : 0);
  if (fitted.projected)
    std::copy(fitted.projection, fitted.projection + projection_.a.size(), projection_.data());
}

std::size_t StackMoments::column(std::int32_t variable) const {
  switch (variable) {
    case OBSERVATION:
      return layout_.observation.begin;
    case OBSERVATION_NEXT:
      return layout_.observation_next.begin;
    case PAIR_OBSERVATION:
      return layout_.pair_observation.begin;
    case PAIR_OBSERVATION_NEXT:
      return layout_.pair_observation_next.begin;
    default:
      return layout_.action.begin;
  }
}

std::size_t StackMoments::inner(const Block& b) const {
  return b.terms[0].variable == ACTION ? layout_.action.size : layout_.observation.size;
}

std::size_t StackMoments::width(const Block& b) const { return b.projected ? fitted_.projected : inner(b); }

std::size_t StackMoments::width(const Stack& s) const {
  std::size_t sum = 0;
  for (std::int32_t b = 0; b < s.count; ++b) sum += width(s.blocks[b]);
  return sum;
}

Matrix StackMoments::covariance(const Stack& a, const Stack& b) const {
  if (a.count == 1 && b.count == 1) return covariance(a.blocks[0], b.blocks[0]);
  Matrix out(width(a), width(b));
  std::size_t row = 0;
  for (std::int32_t i = 0; i < a.count; ++i) {
    std::size_t col = 0;
    for (std::int32_t j = 0; j < b.count; ++j) {
      const Matrix cell = covariance(a.blocks[i], b.blocks[j]);
      for (std::size_t r = 0; r < cell.rows; ++r)
        std::copy(cell.row(r), cell.row(r) + cell.cols, out.row(row + r) + col);
      col += cell.cols;
    }
    row += width(a.blocks[i]);
  }
  return out;
}

Matrix StackMoments::covariance(const Block& a, const Block& b) const {
  Matrix out(inner(a), inner(b));
  double noise = 0;
  for (std::int32_t i = 0; i < a.count; ++i)
    for (std::int32_t j = 0; j < b.count; ++j) {
      const Term &ta = a.terms[i], &tb = b.terms[j];
      const double c = ta.sign * tb.sign * coefficient(ta.coefficient) * coefficient(tb.coefficient);
      if (is_noise(ta) || is_noise(tb)) {
        if (ta.variable == tb.variable) noise += c;
        continue;
      }
      const std::size_t ca = column(ta.variable), cb = column(tb.variable);
      for (std::size_t r = 0; r < out.rows; ++r) {
        const double* from = s_ + (ca + r) * layout_.width + cb;
        for (std::size_t q = 0; q < out.cols; ++q) out.at(r, q) += c * from[q];
      }
    }
  if (a.projected) out = times(dense_, projection_, out);
  if (b.projected) out = times_nt(dense_, out, projection_);
  for (std::size_t i = 0; noise != 0 && i < std::min(out.rows, out.cols); ++i) out.at(i, i) += noise;
  return out;
}

void StackMoments::add_maps(const Stack& stack, const Matrix& weights, double sign, Matrix& c,
                            Matrix& d) const {
  std::size_t begin = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    Matrix part(weights.rows, width(block));
    for (std::size_t i = 0; i < part.rows; ++i)
      std::copy(weights.row(i) + begin, weights.row(i) + begin + part.cols, part.row(i));
    begin += part.cols;
    if (block.terms[0].variable == ACTION) continue;
    if (block.projected) part = times(dense_, part, projection_);
    for (std::int32_t t = 0; t < block.count; ++t) {
      const Term& term = block.terms[t];
      if (term.variable > OBSERVATION_NEXT) continue;
      Matrix& target = term.variable == OBSERVATION ? c : d;
      const double factor = sign * term.sign * coefficient(term.coefficient);
      for (std::size_t i = 0; i < part.a.size(); ++i) target.a[i] += factor * part.a[i];
    }
  }
}

bool same(const Stack& a, const Stack& b) {
  if (a.count != b.count) return false;
  for (std::int32_t i = 0; i < a.count; ++i) {
    const Block &x = a.blocks[i], &y = b.blocks[i];
    if (x.count != y.count || x.projected != y.projected) return false;
    for (std::int32_t t = 0; t < x.count; ++t)
      if (x.terms[t].variable != y.terms[t].variable || x.terms[t].coefficient != y.terms[t].coefficient ||
          x.terms[t].sign != y.terms[t].sign)
        return false;
  }
  return true;
}

Stack plain(Variable variable) {
  Stack s{};
  s.count = 1;
  s.blocks[0].count = 1;
  s.blocks[0].terms[0] = {variable, -1, 1};
  return s;
}

bool is_plain(const Stack& s, Variable variable) {
  const Block& b = s.blocks[0];
  return s.count == 1 && b.count == 1 && !b.projected && b.terms[0].variable == variable &&
         b.terms[0].coefficient < 0 && b.terms[0].sign > 0;
}

bool uses(const Objective& o, Variable variable) {
  const auto in = [&](const Stack& s) {
    for (std::int32_t b = 0; b < s.count; ++b)
      for (std::int32_t t = 0; t < s.blocks[b].count; ++t)
        if (s.blocks[b].terms[t].variable == variable) return true;
    return false;
  };
  bool found = in(o.y) || in(o.f) || in(o.e);
  for (std::int32_t i = 0; i < o.penalty_count; ++i)
    found = found || in(o.penalties[i].of) || in(o.penalties[i].given);
  return found;
}

}  // namespace exo
