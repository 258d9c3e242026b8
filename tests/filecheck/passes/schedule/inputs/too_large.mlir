visa.kernel @large(%x: !visa.gm<f32, 64, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [2048], f32, 1>
  %u = visa.alloc : !visa.buffer<ub, [3], f32, 1>
} loc("Exp_0")
visa.kernel @larger(%x: !visa.gm<f32, 64, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<l0c, [100, 100], f32, 1>
}
