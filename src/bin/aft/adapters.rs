//! `aft adapters`: what there is to compute on.

use aft_wgpu::gpu::{AdapterClass, AdapterSummary, Gpu, GpuOptions, adapters};
use aft_wgpu::printable::Printable;
use serde::Serialize;

use crate::shared::{say, say_json};

/// List the adapters of this machine, the default first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft adapters
  aft adapters --json
  aft train text --adapter 1
  aft train text --adapter llvmpipe")]
pub struct Args {
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// An adapter as data.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    name: &'a str,
    backend: &'a str,
    class: &'static str,
    driver: &'a str,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut list = pollster::block_on(adapters());
    if list.is_empty() {
        // Asking for one says why there is none.
        list.push(Gpu::request_blocking(&GpuOptions::default())?.caps().adapter.clone());
    }
    if args.json {
        let rows = list.iter().enumerate().map(|(index, adapter)| row(index, adapter));
        return say_json(&rows.collect::<Vec<_>>());
    }
    let names: Vec<_> = list.iter().map(|adapter| Printable(&adapter.name).to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (index, (a, name)) in list.iter().zip(names).enumerate() {
        let (class, driver) = (a.class.to_string(), Printable(&a.driver));
        say(format_args!("{index:>2}  {name:width$}  {:<8}  {class:<25}  {driver}", a.backend))?;
    }
    Ok(())
}

fn row(index: usize, adapter: &AdapterSummary) -> Row<'_> {
    let class = match adapter.class {
        AdapterClass::Discrete => "discrete",
        AdapterClass::Integrated => "integrated",
        AdapterClass::Unknown => "unknown",
        AdapterClass::Software => "software",
    };
    Row { index, name: &adapter.name, backend: &adapter.backend, class, driver: &adapter.driver }
}
