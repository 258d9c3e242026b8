// RUN: vcc-opt %s -p plan-arena,lower-to-host | filecheck %s
// RUN: vcc-opt %s -p plan-arena,lower-to-host | vcc-opt | filecheck %s

visa.kernel @f(%p0: !visa.gm<f32, 32, in>, %p1: !visa.gm<f32, 32, out>) sources 1 taps (tensor<32xf32>) {
}

// b takes over the bytes of a: a's life ends when b's begins. The call writes its result, which is seen as 4x8 by the
// graph, straight into the output, and the last launch reads it there.

// CHECK-NOT:  func.func
// CHECK:      host.program arena 128 bound 128 {
// CHECK-NEXT:   %[[X:.*]] = host.input "image" : !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   %[[Y:.*]] = host.output "unique" : !host.buffer<tensor<4x8xf32>>
// CHECK-NEXT:   %[[Z:.*]] = host.output "z" : !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   %[[W:.*]] = host.constant #weights.blob<"00ff"> {values = {{\[\[}}"w"{{\]\]}}} : !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   %[[A:.*]] = host.arena "conv" at 0 live 0 to 0 : !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   %[[B:.*]] = host.arena "f.0" at 0 live 1 to 2 : !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   %[[C:.*]] = host.view %[[Y]] : !host.buffer<tensor<4x8xf32>> to !host.buffer<tensor<32xf32>>
// CHECK-NEXT:   host.launch @f(%[[X]]) -> (%[[A]]) {sources = {{\[\[}}"Conv_0", "Relu_1"{{\]\]}}, taps = ["conv"]}
// CHECK-NEXT:   host.launch @f(%[[A]]) -> (%[[B]]) {sources = {{\[\[}}"Neg_2"{{\]\]}}, taps = [""]}
// CHECK-NEXT:   host.call "Unique"(%[[B]], %[[W]]) -> (%[[C]]) {domain = "", version = 11 : i64, attributes = {sorted = 1 : i64},
// CHECK-SAME:     input_positions = array<i64: 0, -1, 1>, output_positions = array<i64: 0>,
// CHECK-SAME:     reason = "no kernel", sources = [], taps = ["flat"]}
// CHECK-NEXT:   host.launch @f(%[[C]]) -> (%[[Z]])
// CHECK-NEXT: }
func.func @main(%x: tensor<32xf32> {onnx.name = "image"}) -> (tensor<4x8xf32> {onnx.name = "unique"}, tensor<32xf32> {onnx.name = "z"}) {
  %w = weights.constant {values = [["w"]]} #weights.blob<"00ff"> : tensor<32xf32>
  %a = visa.launch @f(%x) {sources = [["Conv_0", "Relu_1"]], taps = ["conv"], values = [["conv"]]} : (tensor<32xf32>) -> tensor<32xf32>
  %b = visa.launch @f(%a) {sources = [["Neg_2"]], taps = [""], inplace = [array<i64: 0, 0>]} : (tensor<32xf32>) -> tensor<32xf32>
  %c = graph.host "Unique" %b, %w {domain = "", version = 11 : i64, attributes = {sorted = 1 : i64}, inputs = array<i64: 0, -1, 1>, outputs = array<i64: 0>, reason = "no kernel", values = [["flat"]]} : (tensor<32xf32>, tensor<32xf32>) -> tensor<32xf32>
  %y = graph.reshape %c : (tensor<32xf32>) -> tensor<4x8xf32>
  %z = visa.launch @f(%c) {sources = [["Abs_4"]], taps = [""]} : (tensor<32xf32>) -> tensor<32xf32>
  func.return %y, %z : tensor<4x8xf32>, tensor<32xf32>
}
