//! Made-up results of two adapters that follow known laws.

use aft_wgpu::bench::{Adapter, Limit, Results, Row, SCHEMA, Skipped};

/// Every T that is there.
pub const LENGTHS: [u32; 5] = [256, 512, 1024, 2048, 4096];

/// A row that passed, of local or attention alike.
fn passed(op: &str, direction: &str, length: u32, ms: f64) -> Row {
    Row {
        op: op.into(),
        direction: direction.into(),
        B: Some(2),
        T: Some(length),
        D: Some(256),
        gate: "pass".into(),
        median_ms: Some(ms),
        min_ms: Some(ms * 0.9),
        p90_ms: Some(ms * 1.25),
        repetitions: Some(7),
        clock: Some("timestamp".into()),
        limit: Some("fma".into()),
        percent_of_limit: Some(40.0),
        percent_spread: Some([38.5, 42.25]),
        error: Some(0.125),
        plan: Some("tiles of 8".into()),
        ..Row::default()
    }
}

/// AFT-local.
pub fn local(direction: &str, length: u32, ms: f64) -> Row {
    Row {
        form: Some("local".into()),
        s: Some(32),
        causal: Some(true),
        flops: Some(1e5 * f64::from(length)),
        peak_bytes: Some(1000 * u64::from(length)),
        ..passed("aft", direction, length, ms)
    }
}

/// Attention.
pub fn attention(direction: &str, length: u32, ms: f64) -> Row {
    Row {
        H: Some(4),
        causal: Some(true),
        flops: Some(1e5 / 64.0 * f64::from(length).powi(2)),
        peak_bytes: Some(2000 * u64::from(length)),
        ..passed("attention", direction, length, ms)
    }
}

fn results(name: &str, fma: [f64; 3], linear: f64, square: f64) -> Results {
    let mut rows = Vec::new();
    for (direction, cost) in [("forward", 1.0), ("gradient", 2.5)] {
        rows.extend(LENGTHS.map(|t| local(direction, t, cost * linear * f64::from(t))));
        rows.extend(LENGTHS.map(|t| attention(direction, t, cost * square * f64::from(t).powi(2))));
    }
    // The limit's kernel takes as long on a machine whatever is held against it: local reaches 4 % of it.
    for row in &mut rows {
        if let (Some(flops), Some(ms)) = (row.flops, row.median_ms) {
            let percent = 4.0 * flops / ms * linear / 1e5;
            (row.percent_of_limit, row.percent_spread) = (Some(percent), Some([0.96 * percent, 1.06 * percent]));
        }
    }
    let [min, value, max] = fma;
    Results {
        schema: SCHEMA.into(),
        complete: true,
        adapter: Adapter {
            name: name.into(),
            vendor: 0x1234,
            device: 0x5678,
            driver: "driver 1.2".into(),
            backend: "Vulkan".into(),
            class: "discrete GPU".into(),
            software: false,
            features: vec!["TIMESTAMP_QUERY".into()],
            granted: [("maxBufferSize".into(), 1 << 30)].into(),
            clock: "timestamp".into(),
            clock_resolution_ns: 40.0,
            clock_note: None,
            version: "0.1.0".into(),
            commit: Some("0123456789abcdef".into()),
        },
        limits: vec![Limit { name: "fma".into(), value, unit: "GFLOP/s".into(), min, max }],
        rows,
        skipped: vec![Skipped { case: "fma f16".into(), reason: "SHADER_F16 is not granted".into() }],
    }
}

/// One where local crosses attention at T = 800, where 0.004 T = 0.000005 T².
pub fn slow() -> Results {
    let mut results = results("Slow GPU (rev 1)", [120.0, 123.0, 130.0], 0.004, 0.000_005);
    results.rows.push(Row {
        percent_of_limit: Some(75.0),
        percent_spread: None,
        ..passed("linear", "forward", 512, 3.25)
    });
    results
}

/// One where local is always the faster one, and a linear layer is wrong.
pub fn quick() -> Results {
    let mut results = results("Quick GPU", [980.0, 987.0, 990.0], 0.002, 0.000_02);
    let linear = passed("linear", "forward", 512, 1.0);
    results.rows.push(Row {
        gate: "fail".into(),
        op: linear.op,
        direction: linear.direction,
        limit: linear.limit,
        B: linear.B,
        T: linear.T,
        D: linear.D,
        error: Some(7.5),
        ..Row::default()
    });
    results
}
