#include "core/population.h"

#include <algorithm>
#include <vector>

#include "core/aligned.h"
#include "core/careful.h"
#include "core/pool.h"
#include "core/stages.h"
#include "kernels/kernels.h"

namespace exo {

void solve_population(const Kernels& kernels, const PopulationBatch& request, Job& job) {
  PopulationBatch batch = request;
  const auto any = [&](Parameter p) {
    const double* column = batch.parameters + static_cast<std::size_t>(p) * batch.count;
    return std::any_of(column, column + batch.count, [](double v) { return v != 0; });
  };
  batch.sensor_noise = any(SENSOR_NOISE);
  batch.process_noise = any(PROCESS_NOISE);
  batch.feedback = any(STATE_FEEDBACK) || any(EXOGENOUS_FEEDBACK);
  const std::size_t lanes = kernels.lanes, scratch_size = kernels.population_scratch(batch);
  // A task is a run of lane groups, long enough that handing it out costs nothing beside it.
  const std::size_t groups = (batch.count + lanes - 1) / lanes, per_task = 16;
  std::vector<AlignedDoubles> scratch(job.threads);
  std::vector<GivenMemory> memory(job.threads);
  std::vector<std::uint8_t> careful(batch.count);
  batch.careful = careful.data();
  batch.stop = job.stop();
  const std::size_t tasks = (groups + per_task - 1) / per_task;
  job.expect(tasks);
  parallel_for(job, tasks, [&](std::size_t task, std::size_t worker) {
    if (!scratch[worker]) scratch[worker] = aligned_doubles(scratch_size);
    const StopScope scope(job.stop());
    const std::size_t end = std::min(groups, (task + 1) * per_task);
    for (std::size_t group = task * per_task; group < end && !job.cancelled(); ++group) {
      const std::size_t first = group * lanes;
      const std::size_t last = std::min(batch.count, first + lanes);
      kernels.population(batch, first, last - first, scratch[worker].get());
      try {
        for (std::size_t problem = first; problem < last && !job.cancelled(); ++problem)
          if (careful[problem]) solve_carefully(batch, problem, memory[worker]);
      } catch (const Stopped&) {
        return;
      }
    }
  });
}

}  // namespace exo
