#include <algorithm>
#include <cmath>
#include <vector>

#include "core/judging.h"
#include "core/pool.h"

namespace exo {
namespace {

// Rows of one unit that become features together.
constexpr std::size_t CHUNK = 256;

class UnitMoments {
 public:
  UnitMoments(const Kernels& k, const FeatureMomentsBatch& b) : k_(k), b_(b), rows_of_(b.units) {
    for (std::size_t row = 0; row < b.rows; ++row)
      rows_of_[static_cast<std::size_t>(b.unit[row])].push_back(row);
  }

  void sum(std::size_t unit, const Job& job) const {
    const std::vector<std::size_t>& rows = rows_of_[unit];
    const std::size_t width = b_.width();
    double* out = b_.moments + unit * width * width;
    std::fill(out, out + width * width, 0.0);
    std::vector<double> columns(CHUNK * width), inputs;
    for (std::size_t begin = 0; begin < rows.size() && !job.cancelled(); begin += CHUNK) {
      const std::size_t count = std::min(CHUNK, rows.size() - begin);
      for (std::size_t r = 0; r < count; ++r) {
        double* to = &columns[r * width];
        const double* from = b_.data + rows[begin + r] * b_.inputs;
        to[0] = 1;
        std::copy(from, from + b_.inputs, to + 1);
      }
      std::size_t place = 1 + b_.inputs;
      for (const FeatureMap& map : b_.maps) {
        features(map, count, columns.data(), width, place);
        place += map.count;
      }
      k_.syrk_accumulate(count, width, columns.data(), width, out, width);
    }
  }

 private:
  void features(const FeatureMap& map, std::size_t count, double* columns, std::size_t width,
                std::size_t place) const {
    k_.gemm(false, true, count, map.count, map.size, 1, columns + 1 + map.begin, width, map.frequencies,
            map.size, 0, columns + place, width);
    const double scale = std::sqrt(2 / static_cast<double>(map.count));
    for (std::size_t r = 0; r < count; ++r)
      k_.cosines(scale, map.phases, columns + r * width + place, map.count);
  }

  const Kernels& k_;
  const FeatureMomentsBatch& b_;
  std::vector<std::vector<std::size_t>> rows_of_;
};

}  // namespace

void feature_moments(const Kernels& kernels, const FeatureMomentsBatch& batch, Job& job) {
  const UnitMoments moments(kernels, batch);
  job.expect(batch.units);
  parallel_for(job, batch.units, [&](std::size_t unit, std::size_t) { moments.sum(unit, job); });
}

}  // namespace exo
