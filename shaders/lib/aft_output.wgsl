// Stores what a row sums over: y = sigmoid(q) num / den, and L = log of the sum of weights for the gradient.
fn set_output(row: u32, c: u32, sums: State) {
    set_y(row, c, sigmoid(query(row, c)) * (sums.a / sums.b));
    set_log_den(row, c, select(vec4(0.0), sums.top + log(sums.b), channels(c, params.cols)));
}
