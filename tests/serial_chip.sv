// A chip of the whole network digits, of another kind than the one of the guide: it takes the steps of the input, then
// computes one neuron a clock, population after population, from memories of 32 bits, and answers at its leisure.
`include "fsref_network.svh"
`define CONV(S, T, AT) conv(S``_INDEX, S``_C, S``_H, S``_W, AT, S``_TO_``T``_INPUTS, S``_TO_``T``_OUTPUTS / \
    S``_TO_``T``_GROUPS, S``_TO_``T``_KH, S``_TO_``T``_KW, S``_TO_``T``_SY, S``_TO_``T``_SX, S``_TO_``T``_TOP, S``_TO_``T``_LEFT)
`define NEURONS(P) begin locate(P``_NEURONS, P``_H, P``_W)
module serial import fsref_network::*; (
    input clk, rst, start, valid, output ready,
    input [INPUT_NEURONS-1:0] input_spikes,
    output reg conv1_spikes_valid, output reg [CONV1_NEURONS-1:0] conv1_spikes,
    output reg conv2_spikes_valid, output reg [CONV2_NEURONS-1:0] conv2_spikes,
    output reg logits_opening_valid, output reg [LOGITS_NEURONS*LOGITS_OPENING_BITS-1:0] logits_opening
);
  localparam ROOM = 1024;  // neurons of a population, at most
  localparam W0 = 0, W1 = W0 + INPUT_TO_CONV1_WEIGHTS_WORDS, W2 = W1 + CONV1_TO_DEPTH1_WEIGHTS_WORDS;
  localparam W3 = W2 + DEPTH1_TO_MERGE1_WEIGHTS_WORDS, W4 = W3 + CONV1_TO_MERGE1_WEIGHTS_WORDS;
  localparam W5 = W4 + POOL_TO_CONV2_WEIGHTS_WORDS, W6 = W5 + CONV2_TO_LOGITS_WEIGHTS_WORDS;
  reg signed [31:0] weights [0:W6-1], bias [0:POPULATIONS*ROOM-1], T [0:POPULATIONS*ROOM-1], h [0:POPULATIONS*ROOM-1];
  reg [31:0] trains [0:POPULATIONS*ROOM-1];  // first spike highest: read as a number, a train is a code
  initial begin
    $readmemh(INPUT_TO_CONV1_WEIGHTS_FILE, weights, W0, W1 - 1);
    $readmemh(CONV1_TO_DEPTH1_WEIGHTS_FILE, weights, W1, W2 - 1);
    $readmemh(DEPTH1_TO_MERGE1_WEIGHTS_FILE, weights, W2, W3 - 1);
    $readmemh(CONV1_TO_MERGE1_WEIGHTS_FILE, weights, W3, W4 - 1);
    $readmemh(POOL_TO_CONV2_WEIGHTS_FILE, weights, W4, W5 - 1);
    $readmemh(CONV2_TO_LOGITS_WEIGHTS_FILE, weights, W5, W6 - 1);
    $readmemh(CONV1_BIAS_FILE, bias, CONV1_INDEX*ROOM, CONV1_INDEX*ROOM + CONV1_BIAS_WORDS - 1);
    $readmemh(DEPTH1_BIAS_FILE, bias, DEPTH1_INDEX*ROOM, DEPTH1_INDEX*ROOM + DEPTH1_BIAS_WORDS - 1);
    $readmemh(MERGE1_BIAS_FILE, bias, MERGE1_INDEX*ROOM, MERGE1_INDEX*ROOM + MERGE1_BIAS_WORDS - 1);
    $readmemh(CONV2_BIAS_FILE, bias, CONV2_INDEX*ROOM, CONV2_INDEX*ROOM + CONV2_BIAS_WORDS - 1);
    $readmemh(LOGITS_BIAS_FILE, bias, LOGITS_INDEX*ROOM, LOGITS_INDEX*ROOM + LOGITS_BIAS_WORDS - 1);
    $readmemh(CONV1_T_FILE, T, CONV1_INDEX*ROOM, CONV1_INDEX*ROOM + CONV1_T_WORDS - 1);
    $readmemh(DEPTH1_T_FILE, T, DEPTH1_INDEX*ROOM, DEPTH1_INDEX*ROOM + DEPTH1_T_WORDS - 1);
    $readmemh(MERGE1_T_FILE, T, MERGE1_INDEX*ROOM, MERGE1_INDEX*ROOM + MERGE1_T_WORDS - 1);
    $readmemh(CONV2_T_FILE, T, CONV2_INDEX*ROOM, CONV2_INDEX*ROOM + CONV2_T_WORDS - 1);
    $readmemh(CONV1_H_FILE, h, CONV1_INDEX*ROOM, CONV1_INDEX*ROOM + CONV1_H_WORDS - 1);
    $readmemh(DEPTH1_H_FILE, h, DEPTH1_INDEX*ROOM, DEPTH1_INDEX*ROOM + DEPTH1_H_WORDS - 1);
    $readmemh(MERGE1_H_FILE, h, MERGE1_INDEX*ROOM, MERGE1_INDEX*ROOM + MERGE1_H_WORDS - 1);
    $readmemh(CONV2_H_FILE, h, CONV2_INDEX*ROOM, CONV2_INDEX*ROOM + CONV2_H_WORDS - 1);
  end

  integer p = POPULATIONS, n, c, y, x, v, k, i, j, row, column, taken;

  task locate(input integer neurons, input integer height, input integer width);
    begin
      c = n / (height * width); y = n / width % height; x = n % width;
      n = n + 1;
      if (n == neurons) begin n = 0; p = p + 1; end
    end
  endtask

  task conv(input integer s, input integer C, input integer H, input integer W, input integer at, input integer inputs,
      input integer outputs, input integer KH, input integer KW, input integer SY, input integer SX,
      input integer top, input integer left);
    for (k = 0; k < inputs; k = k + 1)
      for (i = 0; i < KH; i = i + 1)
        for (j = 0; j < KW; j = j + 1) begin
          row = y * SY + i - top; column = x * SX + j - left;
          if (row >= 0 && row < H && column >= 0 && column < W)
            v = v + weights[at + ((c*inputs + k)*KH + i)*KW + j]
                * trains[s*ROOM + ((c/outputs*inputs + k)*H + row)*W + column];
        end
  endtask

  task fire(input integer s, input integer neuron, input integer K);
    begin
      trains[s*ROOM + neuron] = 0;
      for (k = 0; k < K; k = k + 1) if (v >= T[s*ROOM + c*K + k]) begin
        v = v - h[s*ROOM + c*K + k];
        trains[s*ROOM + neuron][K-1-k] = 1;
      end
    end
  endtask

  task neuron(input integer at);
    case (p)
      CONV1_INDEX: `NEURONS(CONV1); v = bias[CONV1_INDEX*ROOM + at]; `CONV(INPUT, CONV1, W0); fire(CONV1_INDEX, at, CONV1_K); end
      DEPTH1_INDEX: `NEURONS(DEPTH1); v = bias[DEPTH1_INDEX*ROOM + c]; `CONV(CONV1, DEPTH1, W1); fire(DEPTH1_INDEX, at, DEPTH1_K); end
      MERGE1_INDEX: `NEURONS(MERGE1);
        v = bias[MERGE1_INDEX*ROOM + c];
        `CONV(DEPTH1, MERGE1, W2);
        `CONV(CONV1, MERGE1, W3);
        fire(MERGE1_INDEX, at, MERGE1_K);
      end
      POOL_INDEX: `NEURONS(POOL);
        v = 0;
        for (i = 0; i < POOL_KH; i = i + 1)
          for (j = 0; j < POOL_KW; j = j + 1) begin
            row = y*POOL_SY + i - POOL_TOP; column = x*POOL_SX + j - POOL_LEFT;
            k = MERGE1_INDEX*ROOM + (c*MERGE1_H + row)*MERGE1_W + column;
            if (row >= 0 && row < MERGE1_H && column >= 0 && column < MERGE1_W && trains[k] > v) v = trains[k];
          end
        trains[POOL_INDEX*ROOM + at] = v;
      end
      CONV2_INDEX: `NEURONS(CONV2); v = bias[CONV2_INDEX*ROOM + c]; `CONV(POOL, CONV2, W4); fire(CONV2_INDEX, at, CONV2_K); end
      LOGITS_INDEX: `NEURONS(LOGITS);
        v = bias[LOGITS_INDEX*ROOM + at];
        for (k = 0; k < CONV2_NEURONS; k = k + 1)
          v = v + weights[W5 + c*CONV2_C + k/(CONV2_H*CONV2_W)] * trains[CONV2_INDEX*ROOM + k];
        logits_opening[LOGITS_OPENING_BITS*at +: LOGITS_OPENING_BITS] <= v;
        logits_opening_valid <= p == POPULATIONS;
      end
    endcase
  endtask

  assign ready = p == POPULATIONS;  // no neuron is left to compute
  always @(posedge clk) begin
    {conv1_spikes_valid, conv2_spikes_valid, logits_opening_valid} <= 0;
    if (rst) p = POPULATIONS;
    else if (!ready) begin
      if (p == POOL_INDEX && n < CONV1_K) begin  // by now conv1 is known
        for (i = 0; i < CONV1_NEURONS; i = i + 1) conv1_spikes[i] <= trains[CONV1_INDEX*ROOM + i][CONV1_K-1-n];
        conv1_spikes_valid <= 1;
      end
      if (p == LOGITS_INDEX && n < CONV2_K) begin
        for (i = 0; i < CONV2_NEURONS; i = i + 1) conv2_spikes[i] <= trains[CONV2_INDEX*ROOM + i][CONV2_K-1-n];
        conv2_spikes_valid <= 1;
      end
      neuron(n);
    end else if (valid) begin
      taken = start ? 1 : taken + 1;
      if (taken <= INPUT_K)
        for (i = 0; i < INPUT_NEURONS; i = i + 1)
          trains[i] = (start ? 0 : trains[i] << 1) | input_spikes[i];
      if (taken == INPUT_K) begin p = CONV1_INDEX; n = 0; end
    end
  end
endmodule
