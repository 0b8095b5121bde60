// trainBatch, trainLoss, applyNetwork, drawRows of lib/backend/train-requests.ts. Their requests hold others
// and come as flat tables: lib/backend/native-training.ts.
#include "core/train/train.h"
#include "addon/calls.h"
#include "addon/reading.h"
#include "addon/task.h"
#include "addon/train-sources.h"

namespace exo {
namespace {

// One of so many, numbered as WORDS of lib/backend/native-training.ts are.
std::size_t choice_of(Request& r, const char* name, std::size_t count) {
  const std::size_t chosen = r.size(name);
  check(r, chosen < count, "a choice that there is not");
  return chosen;
}

std::vector<std::size_t> widths_of(Request& r, const char* name) {
  const auto array = r.array<std::int32_t>(name);
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < array.second; ++i) {
    check(r, array.first[i] > 0, "shape: expected positive widths");
    widths.push_back(static_cast<std::size_t>(array.first[i]));
  }
  return widths;
}

CodebookShape read_codebook(Request& r, std::size_t latent) {
  CodebookShape c{};
  c.size = r.size("size");
  c.codes = r.size("codes");
  c.ema = choice_of(r, "update", 2) == 1;
  c.decay = r.number("decay");
  c.commitment = r.number("commitment");
  c.revive_below = r.number("reviveBelow");
  check(r, c.size > 0 && c.codes > 0 && latent % c.codes == 0, "codebook: sizes that do not fit");
  return c;
}

NetworkShape read_shape(Request r) {
  NetworkShape s{};
  s.observation_dim = r.size("observationDim");
  s.projection_dim = r.size("projectionDim");
  s.action_dim = r.size("actionDim");
  s.latent = r.size("latentDim");
  s.encodes_difference = choice_of(r, "encoderInput", 2) == 1;
  s.decodes_latent_alone = choice_of(r, "decoderInput", 2) == 1;
  s.residual = r.flag("residual");
  s.encoder_hidden = widths_of(r, "encoderHidden");
  s.decoder_hidden = widths_of(r, "decoderHidden");
  s.activation = static_cast<Activation>(1 + choice_of(r, "activation", 3));
  s.bias = r.flag("bias");
  s.targets = r.size("targets");
  check(r, s.observation_dim > 0 && s.latent > 0 && s.targets > 0, "shape: expected positive widths");
  Request book = r.inside("codebook");
  s.quantised = book.has("size");
  if (s.quantised) s.codebook = read_codebook(book, s.latent);
  return s;
}

TrainObjective read_objective(Request r) {
  TrainObjective o{};
  o.cross_exogenous = r.flag("crossExogenous");
  o.encoder_noise = r.number("encoderNoise");
  o.decoder_noise = r.number("decoderNoise");
  o.action_weight = r.number("actionWeight");
  o.label_fraction = r.number("labelFraction");
  o.mean_of_labelled = choice_of(r, "labelMean", 2) == 1;
  o.robust_weight = r.number("robustWeight");
  o.robust_on_decoded = choice_of(r, "robustOn", 2) == 1;
  return o;
}

// A problem whose sizes fit each other. Arrays that its source points into are kept by `r`.
TrainProblem read_problem(Request& r) {
  TrainProblem p{};
  p.shape = read_shape(r.inside("shape"));
  const NetworkShape& s = p.shape;
  p.projection = r.array<float>("projection", times({s.projection_dim, s.observation_dim}));
  Request source = r.inside("source");
  const SourceRequest from = read_source(kernels_of(r), source);
  r.keep(source);
  p.source = from.source;
  p.objective = read_objective(r.inside("objective"));
  p.batch = r.size("batchSize");
  p.seed = r.whole("seed");
  check(r, p.batch > 0, "batchSize: expected at least one");
  check(r, from.observation_dim == s.observation_dim, "source: observations of another width");
  check(r, s.action_dim == 0 || from.action_dim == s.action_dim, "source: actions of another width");
  check(r, p.objective.action_weight == 0 || s.action_dim > 0, "actionWeight: the network has no head");
  check(r, !p.objective.needs_pair() || from.pair, "source: the objective needs paired views");
  check(r, s.targets - 1 <= from.later, "source: fewer later observations than targets");
  check(r, from.later == SIZE_MAX || s.targets - 1 == from.later || s.targets == 1,
        "source: later observations of another number");
  check(r, p.objective.robust_weight == 0 || !p.objective.robust_on_decoded || s.decoder_hidden.empty(),
        "robustOn: decoded needs a decoder without hidden layers");
  return p;
}

TrainRun read_run(Request& r) {
  TrainRun run{};
  run.problem = read_problem(r);
  const NetworkShape& s = run.problem.shape;
  Request o = r.inside("optimiser");
  run.optimiser.kind = static_cast<TrainOptimiser::Kind>(choice_of(o, "kind", 3));
  run.optimiser.learning_rate = o.number("learningRate");
  run.optimiser.momentum = o.number("momentum");
  run.optimiser.beta1 = o.number("beta1");
  run.optimiser.beta2 = o.number("beta2");
  run.optimiser.epsilon = o.number("epsilon");
  run.optimiser.weight_decay = o.number("weightDecay");
  run.optimiser.warmup_steps = o.number("warmupSteps");
  run.optimiser.cosine_steps = o.number("cosineSteps");
  run.optimiser.final_share = o.number("finalShare");
  Request state = r.inside("state");
  run.step = state.whole("step");
  const std::size_t count = s.parameters(), codes = s.quantised ? s.codebook.size * s.codebook.codes : 0;
  run.state.parameters = state.array<float>("parameters", count);
  run.state.first = state.array<float>("first", count);
  run.state.second = state.array<float>("second", count);
  run.state.counts = state.array<float>("codebookCounts", codes);
  run.state.sums =
      state.array<float>("codebookSums", s.quantised && s.codebook.ema ? s.codebook_parameters() : 0);
  r.keep(state);
  run.steps = r.size("steps");
  run.trace_every = r.size("traceEvery");
  check(r, run.trace_every > 0, "traceEvery: expected at least one");
  const std::size_t stretches = (run.steps + run.trace_every - 1) / run.trace_every;
  run.trace = r.array<double>("trace", times({LOSS_PARTS, stretches}));
  run.usage = r.array<double>("usage", codes);
  return run;
}

// trainBatch({ runs, failedAt, 0: TrainStepsRequest & TrainStepsAnswer, 1: ... }): Promise<void>
Napi::Value train_batch_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  auto runs = std::make_shared<std::vector<TrainRun>>();
  const std::size_t count = r.size("runs");
  check(r, count > 0 && count <= 1u << 20, "runs: expected at least one");
  for (std::size_t i = 0; i < count; ++i) {
    Request inner = r.inside(std::to_string(i));
    runs->push_back(read_run(inner));
    r.keep(inner);
  }
  double* failed = r.array<double>("failedAt", runs->size());
  return Task::start(r, [runs, failed](const Kernels& kernels, Job& job) {
    train_batch(kernels, *runs, job);
    for (std::size_t i = 0; i < runs->size(); ++i) failed[i] = static_cast<double>((*runs)[i].failed_at);
  });
}

// trainLoss(request: TrainLossRequest & TrainLossAnswer): Promise<void>
Napi::Value train_loss_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  TrainLoss b{};
  b.problem = read_problem(r);
  b.step = r.whole("step");
  b.parameters = r.array<double>("parameters", b.problem.shape.parameters());
  b.parts = r.array<double>("parts", LOSS_PARTS);
  b.gradient = r.array<double>("gradient", b.problem.shape.parameters());
  return Task::start(r, [b](const Kernels& kernels, Job& job) { train_loss(kernels, b, job); });
}

// applyNetwork(request: ApplyRequest & ApplyAnswer): Promise<void>
Napi::Value apply_network_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  ApplyBatch b{};
  b.shape = read_shape(r.inside("shape"));
  const NetworkShape& s = b.shape;
  b.rows = r.size("rows");
  b.projection = r.array<float>("projection", times({s.projection_dim, s.observation_dim}));
  b.parameters = r.array<float>("parameters", s.parameters());
  const std::size_t observed = times({b.rows, s.observation_dim}), latents = times({b.rows, s.latent});
  const bool given = r.has("latent");
  b.latent = given ? r.array<float>("latent", latents) : nullptr;
  b.observation = given ? nullptr : r.array<float>("observation", observed);
  b.observation_next = given ? nullptr : r.array<float>("observationNext", observed);
  b.given = r.array<float>(r.has("decoderObservation") ? "decoderObservation" : "observation", observed);
  b.encoded = r.array<float>("encoded", latents);
  b.decoded_latent = r.array<float>("decodedLatent", latents);
  b.codes = r.array<std::int32_t>("codes", s.quantised ? times({b.rows, s.codebook.codes}) : 0);
  b.prediction = r.array<float>("prediction", times({b.rows, s.predicted()}));
  b.action = r.array<float>("action", times({b.rows, s.action_dim}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { apply_network(kernels, b, job); });
}

// drawRows(request: DrawRequest & Rows): Promise<void>
Napi::Value draw_rows_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  Request source = r.inside("source");
  const SourceRequest from = read_source(kernels_of(r), source);
  r.keep(source);
  DrawBatch b{};
  b.source = from.source;
  b.seed = r.whole("seed");
  b.first = r.whole("first");
  Request needs = r.inside("needs");
  b.needs = {needs.flag("pair"), needs.size("later"), needs.flag("states")};
  check(r, !b.needs.pair || from.pair, "source: it has no paired views");
  check(r, b.needs.later == 0 || from.later == SIZE_MAX || b.needs.later == from.later,
        "source: it has another number of later observations");
  b.observation_dim = from.observation_dim;
  b.action_dim = from.action_dim;
  b.endogenous_dim = from.endogenous_dim;
  b.exogenous_dim = from.exogenous_dim;
  const std::size_t n = r.size("count"), d = from.observation_dim;
  const auto rows = [&](const char* name, std::size_t width, bool wanted) {
    float* at = r.array<float>(name, wanted ? times({n, width}) : 0);
    return wanted && width > 0 ? at : nullptr;
  };
  b.rows.count = n;
  b.rows.observation = rows("observation", d, true);
  b.rows.observation_next = rows("observationNext", d, true);
  b.rows.pair_observation = rows("pairObservation", d, b.needs.pair);
  b.rows.pair_observation_next = rows("pairObservationNext", d, b.needs.pair);
  b.rows.later = rows("later", times({b.needs.later, d}), true);
  b.rows.pair_later = rows("pairLater", times({b.needs.later, d}), b.needs.pair);
  b.rows.action = rows("action", from.action_dim, true);
  b.rows.labelled = from.source->knows_labels() ? r.array<std::uint8_t>("labelled", n) : nullptr;
  b.rows.endogenous = rows("endogenous", from.endogenous_dim, b.needs.states);
  b.rows.endogenous_next = rows("endogenousNext", from.endogenous_dim, b.needs.states);
  b.rows.exogenous = rows("exogenous", from.exogenous_dim, b.needs.states);
  b.rows.exogenous_next = rows("exogenousNext", from.exogenous_dim, b.needs.states);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { draw_rows(kernels, b, job); });
}

}  // namespace

void export_training(Napi::Env env, Napi::Object exports) {
  exports.Set("trainBatch", Napi::Function::New(env, train_batch_call));
  exports.Set("trainLoss", Napi::Function::New(env, train_loss_call));
  exports.Set("applyNetwork", Napi::Function::New(env, apply_network_call));
  exports.Set("drawRows", Napi::Function::New(env, draw_rows_call));
}

}  // namespace exo
