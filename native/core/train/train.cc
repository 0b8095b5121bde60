#include "core/train/train.h"

#include <atomic>
#include <cmath>

#include "core/pool.h"
#include "core/train/network.h"
#include "core/train/team.h"

namespace exo {
namespace {

constexpr double PI = 3.14159265358979323846;

double rate_at(const TrainOptimiser& o, double step) {
  const double warm = step < o.warmup_steps ? (step + 1) / o.warmup_steps : 1;
  const double along = o.cosine_steps > 0 ? std::min(1.0, step / o.cosine_steps) : 0;
  return o.learning_rate * warm * (o.final_share + (1 - o.final_share) * 0.5 * (1 + std::cos(PI * along)));
}

// The optimiser's numbers for the step after `step` steps.
Update<float> update_at(const TrainOptimiser& o, double step) {
  Update<float> u{};
  const double rate = rate_at(o, step);
  const auto f32 = [](double x) { return static_cast<float>(x); };
  u.keep = o.kind == TrainOptimiser::ADAMW ? f32(1 - rate * o.weight_decay) : 1;
  u.decay = o.kind == TrainOptimiser::ADAMW ? 0 : f32(o.weight_decay);
  if (o.kind == TrainOptimiser::SGD) {
    u.kind = OptimiserKind::SGD;
    u.rate = f32(rate);
    u.first = f32(o.momentum);
    u.first_share = 1;
    return u;
  }
  u.kind = OptimiserKind::ADAM;
  u.rate = f32(rate / (1 - std::pow(o.beta1, step + 1)));
  u.first = f32(o.beta1);
  u.first_share = f32(1 - o.beta1);
  u.second = f32(o.beta2);
  u.second_share = f32(1 - o.beta2);
  u.second_correction = f32(1 / std::sqrt(1 - std::pow(o.beta2, step + 1)));
  u.epsilon = f32(o.epsilon);
  return u;
}

// Rows of a batch that one thread takes at a time. A share of the work, not of the sums: no bit depends on
// it.
std::size_t rows_at_once(std::size_t rows, std::size_t threads) {
  const std::size_t most = 128;
  return std::min(most, round_up((rows + threads - 1) / threads, 16));
}

// Multiply-adds of a step that are worth a further thread.
constexpr double WORTH_A_THREAD = 2e7;

std::size_t threads_for(std::size_t threads, double work) {
  return std::max<std::size_t>(1, std::min(threads, static_cast<std::size_t>(work / WORTH_A_THREAD)));
}

// The batch of a step, row range by row range.
template <class T>
class Batch {
 public:
  Batch(const Kernels& kernels, const TrainProblem& problem, Network<T>& network)
      : kernels_(kernels),
        problem_(problem),
        network_(network),
        memory_(problem, problem.shape.action_dim, problem.batch) {}

  // On the team's threads: draw, encode, then whatever `between` does, decode; gradients of all outputs.
  template <class Between>
  void pass(Team& team, std::uint64_t step, Between between) {
    const std::size_t rows = problem_.batch, at_once = rows_at_once(rows, team.size());
    const std::size_t parts = (rows + at_once - 1) / at_once;
    const auto each = [&](auto work) {
      team.run(parts, [&](std::size_t part) { work(part * at_once, std::min(rows, (part + 1) * at_once)); });
    };
    each([&](std::size_t begin, std::size_t end) {
      draw(step, begin, end);
      network_.see(problem_, memory_, step, begin, end);
      network_.encode(begin, end);
    });
    between();
    network_.together(memory_);
    each([&](std::size_t begin, std::size_t end) { network_.decode(memory_, begin, end); });
  }

 private:
  void draw(std::uint64_t step, std::size_t begin, std::size_t end) {
    thread_local std::vector<float> scratch;
    const std::uint64_t first = step * problem_.batch;
    problem_.source->fill(kernels_, problem_.seed, first + begin, problem_.needs(),
                          memory_.from(begin, end - begin), scratch);
    const double fraction = problem_.objective.label_fraction;
    if (problem_.source->knows_labels() || problem_.objective.action_weight == 0) return;
    for (std::size_t r = begin; r < end; ++r)
      memory_.labelled[r] =
          fraction >= 1 || uniform(problem_.seed, STREAM_LABELS, first + r) < fraction ? 1 : 0;
  }

  const Kernels& kernels_;
  const TrainProblem& problem_;
  Network<T>& network_;
  RowsMemory memory_;
};

// One run while it goes on.
class Training {
 public:
  Training(const Kernels& kernels, TrainRun& run)
      : run_(run),
        k_(kernels.train_f32),
        network_(kernels, run.problem.shape, run.problem.objective, run.problem.batch, true),
        batch_(kernels, run.problem, network_) {
    const NetworkShape& shape = run.problem.shape;
    using L = Layer<float>;
    network_.read(L::WEIGHTS, run.state.parameters);
    network_.read(L::FIRST, run.state.first);
    network_.read(L::SECOND, run.state.second);
    if (!shape.quantised) return;
    const std::size_t at = shape.layer_parameters(), size = shape.codebook_parameters();
    network_.codebook().read(run.state.parameters + at);
    counts_.assign(run.state.counts, run.state.counts + shape.codebook.codes * shape.codebook.size);
    if (shape.codebook.ema) sums_.assign(run.state.sums, run.state.sums + size);
    // Whole vectors, as the kernel updates them.
    book_first_.assign(run.state.first + at, run.state.first + at + size);
    book_second_.assign(run.state.second + at, run.state.second + at + size);
  }

  double work() const { return network_.work(); }

  // Steps of the call, until the job is cancelled or the loss is no longer finite.
  void go(Team& team, Job& job) {
    run_.failed_at = -1;
    for (std::size_t i = 0; i < run_.steps && !job.cancelled(); ++i) {
      if (!step(team, i)) {
        run_.failed_at = static_cast<std::int64_t>(run_.step + i);
        return;
      }
      job.advance();
    }
    if (!job.cancelled()) finish();
  }

 private:
  bool step(Team& team, std::size_t index) {
    const std::uint64_t at = run_.step + index;
    const TrainProblem& problem = run_.problem;
    batch_.pass(team, at, [&] {
      if (at == 0 && problem.shape.quantised)
        network_.codebook().place_all(problem.batch, counts_.data(), sums_.data(), problem.seed);
    });
    double parts[LOSS_PARTS];
    network_.losses(parts);
    if (!std::isfinite(parts[LOSS])) return false;
    note(index, parts);
    const Update<float> update = update_at(run_.optimiser, static_cast<double>(at));
    const Descending<float> how{update, false};
    team.run(network_.descents(), [&](std::size_t part) { network_.descend(part, how); });
    if (problem.shape.quantised) follow(update, at);
    return true;
  }

  void note(std::size_t index, const double (&parts)[LOSS_PARTS]) {
    const std::size_t stretches = (run_.steps + run_.trace_every - 1) / run_.trace_every;
    const std::size_t stretch = index / run_.trace_every;
    const double length =
        static_cast<double>(std::min(run_.trace_every, run_.steps - stretch * run_.trace_every));
    for (std::size_t p = 0; p < LOSS_PARTS; ++p) run_.trace[p * stretches + stretch] += parts[p] / length;
    const NetworkShape& shape = run_.problem.shape;
    if (!shape.quantised) return;
    const std::size_t codes = shape.codebook.codes;
    for (std::size_t i = 0; i < run_.problem.batch * codes; ++i)
      run_.usage[i % codes * shape.codebook.size + static_cast<std::size_t>(network_.codes()[i])] +=
          1 / (static_cast<double>(run_.steps) * static_cast<double>(run_.problem.batch));
  }

  // The codebook's own part of a step.
  void follow(const Update<float>& update, std::uint64_t step) {
    Codebook<float>& book = network_.codebook();
    const std::size_t width = run_.problem.shape.code_width(), rows = run_.problem.batch;
    std::vector<float> gradient = book.gradient(rows, network_.codes());
    if (!gradient.empty()) {
      const std::size_t size = gradient.size(), whole = round_up(size, k_.lanes);
      std::vector<float> values = book.rows();
      for (std::vector<float>* v : {&gradient, &values, &book_first_, &book_second_}) v->resize(whole);
      k_.update(update, whole, gradient.data(), values.data(), book_first_.data(), book_second_.data());
      book.read(values.data());
    }
    book.follow(rows, network_.codes(), counts_.data(), sums_.data(), run_.problem.seed, step,
                [&](std::size_t at) {
                  for (std::vector<float>* v : {&book_first_, &book_second_})
                    std::fill_n(v->begin() + static_cast<std::ptrdiff_t>(at), width, 0.0f);
                });
  }

  void finish() {
    using L = Layer<float>;
    network_.write(L::WEIGHTS, run_.state.parameters);
    network_.write(L::FIRST, run_.state.first);
    network_.write(L::SECOND, run_.state.second);
    const NetworkShape& shape = run_.problem.shape;
    if (!shape.quantised) return;
    const std::size_t at = shape.layer_parameters(), size = shape.codebook_parameters();
    std::copy_n(network_.codebook().rows().begin(), size, run_.state.parameters + at);
    std::copy_n(book_first_.begin(), size, run_.state.first + at);
    std::copy_n(book_second_.begin(), size, run_.state.second + at);
    std::copy(counts_.begin(), counts_.end(), run_.state.counts);
    std::copy(sums_.begin(), sums_.end(), run_.state.sums);
  }

  TrainRun& run_;
  const TrainKernels<float>& k_;
  Network<float> network_;
  Batch<float> batch_;
  std::vector<float> counts_, sums_, book_first_, book_second_;
};

}  // namespace

void train_batch(const Kernels& kernels, std::vector<TrainRun>& runs, Job& job) {
  std::size_t steps = runs.size();
  for (const TrainRun& r : runs) steps += r.steps;
  job.expect(steps);
  if (runs.size() == 1) {
    Training training(kernels, runs[0]);
    Team team(threads_for(job.threads, training.work()));
    training.go(team, job);
    job.advance();
    return;
  }
  parallel_for(job, runs.size(), [&](std::size_t i, std::size_t) {
    Training training(kernels, runs[i]);
    Team alone(1);
    training.go(alone, job);
  });
}

void train_loss(const Kernels& kernels, const TrainLoss& b, Job& job) {
  const NetworkShape& shape = b.problem.shape;
  Network<double> network(kernels, shape, b.problem.objective, b.problem.batch, true);
  network.read(Layer<double>::WEIGHTS, b.parameters);
  network.keep_gradients();
  if (shape.quantised) network.codebook().read(b.parameters + shape.layer_parameters());
  Batch<double> batch(kernels, b.problem, network);
  Team team(threads_for(job.threads, network.work()));
  batch.pass(team, b.step, [] {});
  double parts[LOSS_PARTS];
  network.losses(parts);
  std::copy_n(parts, LOSS_PARTS, b.parts);
  team.run(network.descents(), [&](std::size_t part) { network.descend(part, {{}, true}); });
  network.write(Layer<double>::GRADIENT, b.gradient);
  if (!shape.quantised) return;
  const std::vector<double> own = network.codebook().gradient(b.problem.batch, network.codes());
  std::copy(own.begin(), own.end(), b.gradient + shape.layer_parameters());
}

namespace {
// Rows that are applied or drawn together.
constexpr std::size_t ROWS = 256;
}  // namespace

void apply_network(const Kernels& kernels, const ApplyBatch& b, Job& job) {
  const NetworkShape& shape = b.shape;
  const std::size_t tasks = (b.rows + ROWS - 1) / ROWS;
  job.expect(tasks);
  const TrainObjective none{};
  std::vector<std::unique_ptr<Network<float>>> networks(job.threads);
  parallel_for(job, tasks, [&](std::size_t task, std::size_t worker) {
    std::unique_ptr<Network<float>>& own = networks[worker];
    if (!own) {
      own = std::make_unique<Network<float>>(kernels, shape, none, ROWS, false);
      own->read(Layer<float>::WEIGHTS, b.parameters);
      if (shape.quantised) own->codebook().read(b.parameters + shape.layer_parameters());
    }
    const std::size_t begin = task * ROWS, rows = std::min(ROWS, b.rows - begin), d = shape.observation_dim;
    const auto at = [&](const float* from, std::size_t width) {
      return from ? from + begin * width : nullptr;
    };
    own->see_rows(b.projection, at(b.observation, d), at(b.observation_next, d), at(b.given, d), 0, rows);
    if (b.latent) {
      own->set_latents(at(b.latent, shape.latent), 0, rows);
    } else {
      own->encode_alone(0, rows);
      own->copy(own->encoded(), 0, rows, b.encoded + begin * shape.latent);
      own->quantise(0, rows);
      if (shape.quantised)
        std::copy_n(own->codes(), rows * shape.codebook.codes, b.codes + begin * shape.codebook.codes);
    }
    own->decode_alone(0, rows);
    own->copy(own->latent(), 0, rows, b.decoded_latent + begin * shape.latent);
    own->copy_prediction(0, rows, b.prediction + begin * shape.predicted());
    if (shape.action_dim > 0) own->copy(own->head(), 0, rows, b.action + begin * shape.action_dim);
  });
}

void draw_rows(const Kernels& kernels, const DrawBatch& b, Job& job) {
  const std::size_t tasks = (b.rows.count + ROWS - 1) / ROWS;
  job.expect(tasks);
  std::vector<std::vector<float>> scratch(job.threads);
  parallel_for(job, tasks, [&](std::size_t task, std::size_t worker) {
    const std::size_t begin = task * ROWS, d = b.observation_dim;
    const auto at = [&](auto* from, std::size_t width) { return from ? from + begin * width : nullptr; };
    Rows part = b.rows;
    part.count = std::min(ROWS, b.rows.count - begin);
    for (float** o :
         {&part.observation, &part.observation_next, &part.pair_observation, &part.pair_observation_next})
      *o = at(*o, d);
    for (float** o : {&part.later, &part.pair_later}) *o = at(*o, b.needs.later * d);
    part.action = at(part.action, b.action_dim);
    part.labelled = at(part.labelled, 1);
    for (float** s : {&part.endogenous, &part.endogenous_next}) *s = at(*s, b.endogenous_dim);
    for (float** x : {&part.exogenous, &part.exogenous_next}) *x = at(*x, b.exogenous_dim);
    b.source->fill(kernels, b.seed, b.first + begin, b.needs, part, scratch[worker]);
  });
}

}  // namespace exo
