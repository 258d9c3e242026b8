// RUN: not --exit 1 vcc-opt %s -p 'insert-events{target="%{root}/tests/support/tiny.toml"}' 2>&1 | filecheck %s

// What decides at run time whether a pipe works on a buffer of the block around it cannot be in the buffer's chain.

// CHECK: error[VCC-E0107]: a nested scf.if touches a buffer of the block around it from pipes IN, OUT
// CHECK-NOT: Traceback
visa.kernel @maybe(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %two = arith.constant 2 : index
    %c = arith.cmpi slt, %i, %two : index
    scf.if %c {
      visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
      visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
    }
  }
}
