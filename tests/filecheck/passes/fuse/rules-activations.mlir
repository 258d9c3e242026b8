// RUN: vcc-opt %s -p apply-rules{files=canonical,activations} --print-debuginfo | filecheck %s

// One operation stands for all nodes of the pattern and has the name of its result.
// CHECK-LABEL: func.func @gelu_erf
// CHECK-NEXT:    [[Y:%.*]] = graph.gelu none %x {values = {{\[\[}}"y"]]} : {{.*}} loc(fused["div", "erf", "add", "mul", "half"])
// CHECK-NEXT:    func.return [[Y]]
func.func @gelu_erf(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %root = weights.constant dense<1.41421354> : tensor<f32>
  %one = weights.constant dense<1.0> : tensor<f32>
  %half = weights.constant dense<0.5> : tensor<1xf32>
  %0 = graph.binary div %x, %root : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32> loc("div")
  %1 = graph.unary erf %0 {values = [["e"]]} : (tensor<2x8xf32>) -> tensor<2x8xf32> loc("erf")
  %2 = graph.binary add %one, %1 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32> loc("add")
  %3 = graph.binary mul %x, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32> loc("mul")
  %4 = graph.binary mul %3, %half {values = [["y"]]} : (tensor<2x8xf32>, tensor<1xf32>) -> tensor<2x8xf32> loc("half")
  func.return %4 : tensor<2x8xf32>
}

// 1.5 is not the root of 2.
// CHECK-LABEL: func.func @wrong_constant
// CHECK-NOT:     graph.gelu
// CHECK:         func.return
func.func @wrong_constant(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %root = weights.constant dense<1.5> : tensor<f32>
  %one = weights.constant dense<1.0> : tensor<f32>
  %half = weights.constant dense<0.5> : tensor<f32>
  %0 = graph.binary div %x, %root : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = graph.unary erf %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = graph.binary add %one, %1 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = graph.binary mul %x, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = graph.binary mul %3, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  func.return %4 : tensor<2x8xf32>
}

// The product is not with the argument of erf.
// CHECK-LABEL: func.func @other_value
// CHECK-NOT:     graph.gelu
// CHECK:         func.return
func.func @other_value(%x: tensor<2x8xf32>, %y: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %root = weights.constant dense<1.41421354> : tensor<f32>
  %one = weights.constant dense<1.0> : tensor<f32>
  %half = weights.constant dense<0.5> : tensor<f32>
  %0 = graph.binary div %x, %root : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = graph.unary erf %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = graph.binary add %one, %1 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = graph.binary mul %y, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = graph.binary mul %3, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  func.return %4 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @gelu_tanh
// CHECK-NEXT:    graph.gelu tanh %x
// CHECK-NEXT:    func.return
func.func @gelu_tanh(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %c = weights.constant dense<0.044715> : tensor<f32>
  %s = weights.constant dense<0.797884583> : tensor<f32>
  %one = weights.constant dense<1.0> : tensor<1x1xf32>
  %half = weights.constant dense<0.5> : tensor<f32>
  %three = weights.constant dense<3.0> : tensor<f32>
  %0 = graph.binary pow %x, %three : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = graph.binary mul %c, %0 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = graph.binary add %x, %1 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = graph.binary mul %s, %2 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = graph.unary tanh %3 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %5 = graph.binary add %one, %4 : (tensor<1x1xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %6 = graph.binary mul %half, %5 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %7 = graph.binary mul %x, %6 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %7 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @silu
// CHECK-NEXT:    [[S:%.*]] = graph.unary sigmoid %x
// CHECK-NEXT:    graph.binary mul %x, [[S]]
// CHECK-NEXT:    func.return
func.func @silu(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %one = weights.constant dense<1.0> : tensor<f32>
  %0 = graph.unary neg %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = graph.unary exp %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = graph.binary add %1, %one : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %3 = graph.binary div %x, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %3 : tensor<2x8xf32>
}

// The sixth comes last, where a factor behind it can take it in.
// CHECK-LABEL: func.func @hard_swish
// CHECK:         [[G:%.*]] = graph.binary min
// CHECK:         [[P:%.*]] = graph.binary mul %x, [[G]]
// CHECK:         [[C:%.*]] = weights.constant dense<0.166666672>
// CHECK:         graph.binary mul [[P]], [[C]]
// CHECK-NEXT:    func.return
func.func @hard_swish(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %three = weights.constant dense<3.0> : tensor<f32>
  %zero = weights.constant dense<0.0> : tensor<f32>
  %six = weights.constant dense<6.0> : tensor<f32>
  %0 = graph.binary add %x, %three : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = graph.binary max %0, %zero : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %2 = graph.binary min %1, %six : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %3 = graph.binary div %2, %six : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = graph.binary mul %x, %3 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %4 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @prelu
// CHECK:         [[S:%.*]] = graph.binary mul %x, {{%.*}}
// CHECK-NEXT:    graph.binary max %x, [[S]]
// CHECK-NEXT:    func.return
func.func @prelu(%x: tensor<2x4x5xf32>) -> tensor<2x4x5xf32> {
  %slope = weights.constant dense<[[-0.1], [-0.2], [-0.3], [-0.4]]> : tensor<4x1xf32>
  %0 = graph.unary relu %x : (tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  %1 = graph.unary neg %x : (tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  %2 = graph.unary relu %1 : (tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  %3 = graph.binary mul %slope, %2 : (tensor<4x1xf32>, tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  %4 = graph.binary add %0, %3 : (tensor<2x4x5xf32>, tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  func.return %4 : tensor<2x4x5xf32>
}

// A slope above 1 has no maximum form.
// CHECK-LABEL: func.func @steep_prelu
// CHECK-NOT:     graph.binary max
// CHECK:         func.return
func.func @steep_prelu(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %slope = weights.constant dense<1.5> : tensor<f32>
  %zero = weights.constant dense<0.0> : tensor<f32>
  %0 = graph.unary relu %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = graph.binary min %x, %zero : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %2 = graph.binary mul %slope, %1 : (tensor<f32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = graph.binary add %0, %2 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %3 : tensor<2x4xf32>
}
