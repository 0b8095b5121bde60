# The build for machines without CMake: node-gyp through scripts/ensure-built.mjs. Not part of the published package.
{
  "includes": ["native/sources.gypi"],
  "targets": [
    {
      "target_name": "exolam",
      "sources": ["<@(kernel_sources)", "<@(core_sources)", "<@(addon_sources)"],
      "include_dirs": ["native"],
      "defines": ["<@(addon_defines)"],
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except"],
      # Node's own defaults, which would come after ours or contradict them.
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
      "cflags_cc": ["<@(cxx_flags)", "<@(release_flags)"],
      # Its threads sleep between calls, and must not wake where the library was: see the core's pool.cc.
      "conditions": [["OS=='linux'", { "ldflags": ["-Wl,-z,nodelete"] }]],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
        "OTHER_CPLUSPLUSFLAGS": ["<@(cxx_flags)", "<@(release_flags)"]
      }
    }
  ]
}
