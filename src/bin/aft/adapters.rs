//! `aft adapters`: lists the adapters of this machine.

use aft_wgpu::gpu::{AdapterClass, AdapterSummary, Gpu, GpuOptions, Tuning, adapters};
use aft_wgpu::printable::Printable;
use serde::Serialize;

use crate::shared::{say, say_json};

/// List the adapters of this machine, the default first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft adapters
  aft adapters --json
  aft adapters --verbose
  aft train text --adapter 1
  aft train text --adapter llvmpipe")]
pub struct Args {
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Also print how kernels are tuned for each adapter
    #[arg(long)]
    verbose: bool,
}

/// An adapter, for `--json`.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    name: &'a str,
    backend: &'a str,
    class: &'static str,
    driver: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tuning: Option<Tuning>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut list = pollster::block_on(adapters());
    if list.is_empty() {
        // The request fails with an error that says why no adapter was found.
        list.push(Gpu::request_blocking(&GpuOptions::default())?.caps().adapter.clone());
    }
    if args.json {
        let rows = list.iter().enumerate().map(|(index, adapter)| row(index, adapter, args.verbose));
        return say_json(&rows.collect::<anyhow::Result<Vec<_>>>()?);
    }
    let names: Vec<_> = list.iter().map(|adapter| Printable(&adapter.name).to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (index, (a, name)) in list.iter().zip(names).enumerate() {
        let (class, driver) = (a.class.to_string(), Printable(&a.driver));
        say(format_args!("{index:>2}  {name:width$}  {:<8}  {class:<25}  {driver}", a.backend))?;
        if args.verbose {
            say_tuning(&Tuning::wished(a.class)?)?;
        }
    }
    Ok(())
}

/// Prints one line for each field.
fn say_tuning(tuning: &Tuning) -> anyhow::Result<()> {
    let fields = serde_json::to_value(tuning)?;
    for (name, value) in fields.as_object().into_iter().flatten() {
        say(format_args!("      {name:<18}  {value}"))?;
    }
    Ok(())
}

fn row(index: usize, adapter: &AdapterSummary, verbose: bool) -> anyhow::Result<Row<'_>> {
    let class = match adapter.class {
        AdapterClass::Discrete => "discrete",
        AdapterClass::Integrated => "integrated",
        AdapterClass::Unknown => "unknown",
        AdapterClass::Software => "software",
    };
    let tuning = if verbose { Some(Tuning::wished(adapter.class)?) } else { None };
    let AdapterSummary { name, backend, driver, .. } = adapter;
    Ok(Row { index, name, backend, class, driver, tuning })
}
