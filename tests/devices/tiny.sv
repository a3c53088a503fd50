// A chip of the network that the tests call tiny, or, with HID, of its hidden population alone; other macros are bugs.
`include "fsref_network.svh"
`ifdef STRICT
`define REACHED >
`else
`define REACHED >=
`endif
module chip import fsref_network::*; (
    input clk, rst, start, valid, output ready,
    input [IN_NEURONS-1:0] in_spikes,
`ifndef HID
    output reg out_opening_valid, output reg signed [OUT_NEURONS*OUT_OPENING_BITS-1:0] out_opening,
`endif
    output reg hid_spikes_valid, output reg [HID_NEURONS-1:0] hid_spikes
);
  reg signed [IN_TO_HID_WEIGHTS_BITS-1:0] w [0:IN_TO_HID_WEIGHTS_WORDS-1];
  reg signed [HID_TO_OUT_WEIGHTS_BITS-1:0] u [0:HID_TO_OUT_WEIGHTS_WORDS-1];
  reg signed [HID_BIAS_BITS-1:0] hid_bias [0:HID_BIAS_WORDS-1];
  reg signed [OUT_BIAS_BITS-1:0] out_bias [0:OUT_BIAS_WORDS-1];
  integer v [0:HID_NEURONS-1];
  integer o [0:OUT_NEURONS-1];
  integer step = -1, images = 0, n, j, t;
  reg lost = 0;
  initial begin
    $readmemh(IN_TO_HID_WEIGHTS_FILE, w);
    $readmemh(HID_TO_OUT_WEIGHTS_FILE, u);
    $readmemh(HID_BIAS_FILE, hid_bias);
    $readmemh(OUT_BIAS_FILE, out_bias);
  end
  assign ready = 1;
  always @(posedge clk) begin
    hid_spikes_valid <= 0;
`ifndef HID
    out_opening_valid <= 0;
`endif
`ifdef LOST  // a second reset loses what was loaded
    if (rst && images > 0) lost = 1;
`endif
`ifndef DROPS_RESET
    if (rst) step = -1;
`endif
`ifdef DEAF  // takes a step that is not offered
    if (valid || step >= 0 && step < IN_K - 1) begin
`else
    if (valid) begin
`endif
`ifdef DROPS_START  // in the middle of an image
      if (start && step == -1) begin
`else
      if (start) begin
`endif
        step = 0;
        images = images + 1;
        for (n = 0; n < HID_NEURONS; n = n + 1) v[n] = lost ? 60 : hid_bias[n];
        for (n = 0; n < OUT_NEURONS; n = n + 1) o[n] = out_bias[n];
      end else step = step + 1;
      if (step < IN_K)
        for (n = 0; n < HID_NEURONS; n = n + 1)
          for (j = 0; j < IN_NEURONS; j = j + 1)
            if (in_spikes[j]) v[n] = v[n] + (w[n*IN_NEURONS + j] <<< (IN_K - 1 - step));
      t = step - HID_START;
      if (t >= 0 && t < HID_K) begin
        for (j = 0; j < HID_NEURONS; j = j + 1) begin
          hid_spikes[j] <= v[j] `REACHED $signed(HID_T_ROW[64*t +: 64]);
          if (v[j] `REACHED $signed(HID_T_ROW[64*t +: 64])) begin
            v[j] = v[j] - $signed(HID_H_ROW[64*t +: 64]);
            for (n = 0; n < OUT_NEURONS; n = n + 1)
              o[n] = o[n] + u[n*HID_NEURONS + j] * $signed(HID_D_ROW[64*t +: 64]);
          end
        end
`ifdef UNKNOWN  // what a neuron does in the third image
        if (images == 3 && t == 1) hid_spikes[2] <= 1'bx;
`endif
        hid_spikes_valid <= 1;
        if (t == HID_K - 1) begin
`ifndef HID
          for (n = 0; n < OUT_NEURONS; n = n + 1) out_opening[OUT_OPENING_BITS*n +: OUT_OPENING_BITS] <= o[n];
          out_opening_valid <= 1;
`endif
          step = -1;
        end
      end
    end
  end
endmodule
