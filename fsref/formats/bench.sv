
// The spikes of a population that enter the chip in a step of an image; x where no step is offered.
module fsref_stimulus #(
    parameter FILE = "", WORDS = 1, BITS = 1, NEURONS = 1, K = 1, START = 0, TRAINS = 1
) (
    input valid, input signed [31:0] image, input signed [31:0] step, output reg [NEURONS-1:0] spikes
);
  reg [BITS-1:0] words [0:WORDS-1];
  integer t, j;
  initial begin
    $readmemh(FILE, words);
    if (^words[WORDS-1] === 1'bx) $fatal(1, "fsref_bench: no stimuli in %0s: is FSREF_DIR its folder?", FILE);
  end
  always @(valid, image, step) begin
    t = step - START;
    if (valid !== 1) spikes = {NEURONS{1'bx}};
    else if (t < 0 || t >= K) spikes = 0;
    else for (j = 0; j < NEURONS; j = j + 1)
      spikes[j] = TRAINS ? words[image*NEURONS + j][K-1-t] : words[image*K + t][TRAINS ? 0 : j];
  end
endmodule

// The answers of a port: of each image so many beats, each of so many lanes, which are words or bits of trains; and the
// first of them that is not what is right, by place and what it is of. ORDER is that of the addresses of neurons: 0
// channel, row, column; 1 row, column, channel; 2 another one.
module fsref_answers #(
    parameter NAME = "", FILE = "", RIGHT = "", PLACE = "", WHAT = "",
    parameter WORDS = 1, BITS = 1, SIGNED = 0, LANES = 1, BEATS = 1, TRAINS = 0,
    parameter NEURONS = 1, H = 1, W = 1, ORDER = 0, STEPS = 0, START = 0
) (
    input clk, input rst, input open, input half, input signed [31:0] image, input valid,
    input [LANES*(TRAINS ? 1 : BITS)-1:0] data, output full, output reg more
);
  localparam int EACH = WORDS / fsref_network::IMAGES;  // words of an image
  localparam int ONE = LANES * (TRAINS ? 1 : BITS) / NEURONS;  // bits of a neuron in an answer
  reg [BITS-1:0] words [0:WORDS-1];
  reg [BITS-1:0] right [0:WORDS-1];
  reg signed [ONE:0] got, wanted;  // of the first difference
  reg same;
  integer beats, unknown, missing, file, digit, j, n, first, beat, neuron;
  assign full = beats == BEATS;
  initial begin
    {beats, unknown, more} = 0;
    first = fsref_network::IMAGES;
    $readmemh(RIGHT, right);
    if (^right[WORDS-1] === 1'bx) $fatal(1, "fsref_bench: nothing right in %0s: is FSREF_DIR its folder?", RIGHT);
    file = $fopen(FILE, "w");  // and nothing of an earlier run stays
    if (file == 0) $fatal(1, "fsref_bench: cannot write %0s: make its folder", FILE);
    $fclose(file);
  end
  always @(posedge clk)
    if (rst) beats <= 0;
    else if (valid === 1 && (full || !open)) more <= 1;
    else if (!open) beats <= 0;
    else if (valid === 1) begin
      if (^data === 1'bx) begin
        if (unknown == 0) $display("fsref_bench: x or z in %0s, image %0d, answer %0d of %0d", NAME, image, beats, BEATS);
        unknown <= unknown + 1;
      end
      same = 1;
      for (j = 0; j < LANES; j = j + 1)
        if (TRAINS) begin
          if (beats == 0 && !half) words[image*LANES + j] <= 0;
          if (!half) words[image*LANES + j][BEATS-1-beats] <= data[j];
          if (data[j] !== right[image*LANES + j][BEATS-1-beats]) same = 0;
        end else begin
          if (!half) words[(image*BEATS + beats)*LANES + j] <= data[BITS*j +: BITS];
          if (data[BITS*j +: BITS] !== right[(image*BEATS + beats)*LANES + j]) same = 0;
        end
      if (!same && first == fsref_network::IMAGES) differ;
      beats <= beats + 1;
    end
  // The first neuron in which this answer differs.
  task differ;
    begin
      neuron = -1;
      for (n = 0; n < NEURONS && neuron < 0; n = n + 1) begin
        j = ORDER == 1 ? n % (H*W) * (NEURONS / (H*W)) + n / (H*W) : n;
        got = {1'b0, data[ONE*j +: ONE]};
        if (TRAINS) wanted = {{ONE{1'b0}}, right[image*LANES + j][BEATS-1-beats]};
        else wanted = {1'b0, right[(image*BEATS + beats)*LANES + ONE*j/BITS][ONE*j%BITS +: ONE]};
        if (got[ONE-1:0] !== wanted[ONE-1:0]) neuron = n;
      end
      if (SIGNED) {got[ONE], wanted[ONE]} = {got[ONE-1], wanted[ONE-1]};
      first = image;
      beat = beats;
    end
  endtask
  task tell_first;
    begin
      $write("%0s ", PLACE);
      if (STEPS) $write("step %0d ", START + beat);
      if (ORDER == 2) $write("address %0d", neuron);
      else $write("neuron %0d (c %0d, y %0d, x %0d)", neuron, neuron / (H*W), neuron / W % H, neuron % W);
      if (^got === 1'bx) $display(" %0s: observed x expected %0d", WHAT, wanted);
      else $display(" %0s: observed %0d expected %0d", WHAT, got, wanted);
    end
  endtask
  // Whole images, and, partly, of the next one what was answered: x for the digits of what was not.
  task write(input integer images, input partly);
    begin
      if (images > 0) $writememh(FILE, words, 0, images*EACH - 1);
      file = $fopen(FILE, "a");
      for (j = images*EACH; partly && j < (images + 1)*EACH; j = j + 1) begin
        missing = beats == 0 ? BITS : TRAINS ? BEATS - beats : j - images*EACH < beats*LANES ? 0 : BITS;  // low bits
        if (missing == 0) $fwrite(file, "%h", words[j]);
        else for (digit = (BITS + 3) / 4 - 1; digit >= 0; digit = digit - 1)
          if (4*digit < missing) $fwrite(file, "x");
          else $fwrite(file, "%h", 4'(words[j] >> 4*digit));
        $fwrite(file, "\n");
      end
      $fclose(file);
    end
  endtask
  task tell; $display("  %0s: %0d of %0d answers, valid %b%0s", NAME, beats, BEATS, valid, more ? ", one too many" : "");
  endtask
endmodule
