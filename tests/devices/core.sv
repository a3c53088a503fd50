// A device in Verilog that holds one network (`tiny` of handmade.py: 4 inputs of K = 4, 3 FS-ReLUs of K = 3, theta = 2,
// 2 logits). It reads frames as lines of hex from standard input, and answers by the law, or with a planted bug:
// BUG_SATURATE, BUG_ABOVE, BUG_STALE, BUG_WIDTH. GREETING is the line with which it greets.
module core;
  localparam integer STDIN = 32'h8000_0000;
  localparam integer N = 4, M = 3, O = 2, K = 3;
  integer kind, count, i, j, t, n, of, what, got;
  reg signed [63:0] word, codes[0:N-1], w1[0:M*N-1], w2[0:O*M-1], bias[0:M-1], bias2[0:O-1], sums[0:M-1];
  reg signed [63:0] opening[0:M-1], membranes[0:K*M-1], code[0:M-1], sums2[0:O-1], logits[0:O-1], v;
  reg signed [63:0] asked[0:31];

  task take;
    begin
      got = $fscanf(STDIN, "%h", word);
      if (got != 1) $finish(0);
    end
  endtask

  task put(input signed [63:0] value);
    $write(" %0h", value);
  endtask

  task fire;
    for (i = 0; i < M; i = i + 1) begin
      sums[i] = 0;
      for (n = 0; n < N; n = n + 1) sums[i] = sums[i] + w1[i*N+n] * codes[n];
`ifdef BUG_STALE
      opening[i] = membranes[(K-1)*M+i] + bias[i] + sums[i];
`else
      opening[i] = bias[i] + sums[i];
`endif
      v = opening[i];
`ifdef BUG_SATURATE
      if (v > 15) v = 15;
`endif
`ifdef BUG_WIDTH
      v = {{58{v[5]}}, v[5:0]};
`endif
      code[i] = 0;
      for (t = 0; t < K; t = t + 1) begin
`ifdef BUG_ABOVE
        if (v > (2 << (K - 1 - t))) begin
`else
        if (v >= (2 << (K - 1 - t))) begin
`endif
          v = v - (2 << (K - 1 - t));
          code[i] = code[i] + (1 << (K - 1 - t));
        end
        membranes[t*M+i] = v;
      end
    end
  endtask

  task integrate;
    for (i = 0; i < O; i = i + 1) begin
      sums2[i] = 0;
      for (n = 0; n < M; n = n + 1) sums2[i] = sums2[i] + w2[i*M+n] * code[n];
      logits[i] = bias2[i] + sums2[i];
    end
  endtask

  task run;
    begin
      take;  // one array is given: 0, 4, 4 and the codes of the input
      take;
      take;
      take;
      for (i = 0; i < N; i = i + 1) begin
        take;
        codes[i] = word;
      end
      take;
      count = word;
      for (j = 0; j < 2 * count; j = j + 1) begin
        take;
        asked[j] = word;
      end
      fire;
      integrate;
      $write("2");
      for (j = 0; j < count; j = j + 1) begin
        of = asked[2*j];
        what = asked[2*j+1];
        n = what == 3 ? K * M : what == 0 ? (of == 0 ? M : O) : of == 1 ? M : O;
        put(n);
        for (i = 0; i < n; i = i + 1)
          case (what)
            0: put(of == 0 ? sums[i] : sums2[i]);
            1: put(of == 1 ? opening[i] : logits[i]);
            3: put(membranes[i]);
            default: put(code[i]);  // the train of an FS-ReLU is its code in binary (FS-5)
          endcase
      end
      $write("\n");
    end
  endtask

  initial begin
    {w1[0], w1[1], w1[2], w1[3]} = {64'd1, 64'd2, 64'd0, -64'd1};
    {w1[4], w1[5], w1[6], w1[7]} = {64'd3, 64'd0, 64'd1, 64'd1};
    {w1[8], w1[9], w1[10], w1[11]} = {-64'd1, 64'd1, 64'd2, 64'd0};
    {w2[0], w2[1], w2[2], w2[3], w2[4], w2[5]} = {64'd1, -64'd1, 64'd2, 64'd0, 64'd3, -64'd2};
    {bias[0], bias[1], bias[2], bias2[0], bias2[1]} = {64'd1, -64'd2, 64'd0, 64'd5, -64'd5};
    for (i = 0; i < K * M; i = i + 1) membranes[i] = 0;
    forever begin
      take;
      kind = word;
      case (kind)
        0: begin
          take;
          $display(`GREETING);
        end
        2: run;
        3, 4: $display("%0h", kind);
        default: $display("5");
      endcase
      $fflush;
      if (kind == 4) $finish(0);
    end
  end
endmodule
