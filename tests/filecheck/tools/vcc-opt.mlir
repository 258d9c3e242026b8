// RUN: vcc-opt %s --load %{root}/tests/filecheck/tools/inputs/count_ops.py -p 'count-ops{more=10}' | filecheck %s
// RUN: vcc-opt %s -p cse,dce --print-ir-after-all --timing 2>&1 | filecheck %s --check-prefix=ALL
// RUN: not --exit 2 vcc-opt %s -p no-such-pass 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not --exit 2 vcc-opt %s --load %{root}/no/such.py 2>&1 | filecheck %s --check-prefix=LOAD
// RUN: not --exit 2 vcc-opt %{root}/no/such.mlir 2>&1 | filecheck %s --check-prefix=FILE

// CHECK: builtin.module attributes {ops = 14 : i64}

// ALL: // IR after cse
// ALL: func.func @f
// ALL: // IR after dce
// ALL: func.func @f
// ALL: s  cse
// ALL-NEXT: s  dce

// UNKNOWN: error[VCC-E0202]: unknown passes: no-such-pass
// LOAD: error[VCC-E0204]: --load: cannot read
// FILE: error[VCC-E0204]: {{.*}}no/such.mlir: No such file or directory
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "onnx.Relu.v14"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
