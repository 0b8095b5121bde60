{
  "variables": {
    "kernel_sources": [
      "native/kernels/isa/avx2.cc",
      "native/kernels/isa/avx512.cc",
      "native/kernels/isa/baseline.cc",
      "native/kernels/isa/neon.cc",
      "native/kernels/isa/wasm.cc",
      "native/kernels/scratch.cc"
    ],
    "core_sources": [
      "native/core/accumulate.cc",
      "native/core/band.cc",
      "native/core/careful.cc",
      "native/core/decoder.cc",
      "native/core/dense.cc",
      "native/core/descend-moments.cc",
      "native/core/descend-population.cc",
      "native/core/descent.cc",
      "native/core/dispatch.cc",
      "native/core/eigen.cc",
      "native/core/estimates.cc",
      "native/core/feature-moments.cc",
      "native/core/fold-fit.cc",
      "native/core/fold-ridge.cc",
      "native/core/given.cc",
      "native/core/innovation.cc",
      "native/core/judge.cc",
      "native/core/lbfgs.cc",
      "native/core/leading.cc",
      "native/core/loadings.cc",
      "native/core/memory.cc",
      "native/core/moments.cc",
      "native/core/multiply.cc",
      "native/core/nested-errors.cc",
      "native/core/partly-labelled.cc",
      "native/core/pool.cc",
      "native/core/pooled.cc",
      "native/core/population.cc",
      "native/core/probe.cc",
      "native/core/regression.cc",
      "native/core/sampling.cc",
      "native/core/source-world.cc",
      "native/core/stack-moments.cc",
      "native/core/ties.cc",
      "native/core/train-moments.cc",
      "native/core/train/codebook.cc",
      "native/core/train/linear-world.cc",
      "native/core/train/network.cc",
      "native/core/train/rows-source.cc",
      "native/core/train/team.cc",
      "native/core/train/train.cc",
      "native/core/train/view-world.cc",
      "native/core/unit-rows.cc",
      "native/core/view.cc",
      "native/core/wide-estimates.cc",
      "native/core/wide-ridge.cc",
      "native/core/wishart.cc"
    ],
    "addon_sources": [
      "native/addon/addon.cc",
      "native/addon/judging.cc",
      "native/addon/older-libraries.cc",
      "native/addon/signals.cc",
      "native/addon/train-sources.cc",
      "native/addon/train.cc"
    ],
    "wasm_sources": [
      "native/wasm/exports.cc"
    ],
    "test_sources": [
      "test/native/core_test.cc",
      "test/native/dense_test.cc",
      "test/native/estimates_test.cc",
      "test/native/lanes_test.cc",
      "test/native/pool_test.cc",
      "test/native/scratch_test.cc",
      "test/native/streams_test.cc",
      "test/native/train_test.cc",
      "test/native/wide_test.cc"
    ],
    "addon_defines": [
      "NAPI_VERSION=9",
      "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
    ],
    "cxx_flags": [
      "-std=c++17",
      "-fvisibility=hidden",
      "-fno-math-errno",
      "-fno-trapping-math",
      "-ffp-contract=off"
    ],
    "release_flags": [
      "-O3"
    ]
  }
}
