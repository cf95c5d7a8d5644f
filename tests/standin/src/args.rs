//! The command line of the binary.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use crate::alter::Undated;
use crate::catalog::Catalog;
use crate::flags::KnobArgs;
use crate::knobs::Knobs;
use crate::made_up::MadeUp;

/// A stand-in for the catalog API and the chart index.
///
/// Prints the two URLs on standard output, one a line, each behind its name: `catalog-url` and
/// `charts-url`.
#[derive(Debug, Parser)]
#[command(name = "standin", version)]
pub struct Args {
    /// Port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Certified images to make up, or a file of recorded ones (JSON object keyed by digest)
    #[arg(long, default_value = "25000", value_name = "N|FILE")]
    images: Source,
    /// Bundles of the certified and Red Hat's organizations to make up, or a file of recorded
    /// ones (one JSON document a line)
    #[arg(long, default_value = "5000", value_name = "N|FILE")]
    bundles: Source,
    /// Charts to make up, or a file with a recorded index (YAML)
    #[arg(long, default_value = "60", value_name = "N|FILE")]
    charts: Source,
    /// Seed of what is made up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Red Hat's own images beside the certified ones [default: a tenth of --images]
    #[arg(long, value_name = "N")]
    red_hat_images: Option<usize>,
    /// Uncertified images beside the certified ones [default: a twelfth of --images]
    #[arg(long, value_name = "N")]
    uncertified_images: Option<usize>,
    /// Bundles of the two other organizations [default: a sixth of --bundles]
    #[arg(long, value_name = "N")]
    other_bundles: Option<usize>,
    /// Share of documents that share their creation date with others
    #[arg(long, default_value_t = 0.05)]
    tie_share: f64,
    /// Certified images on one instant [default: 1700, or a twelfth of --images]
    #[arg(long, value_name = "N")]
    longest_tie: Option<usize>,
    /// Share of documents dated to the full second
    #[arg(long, default_value_t = 0.03)]
    full_second_share: f64,
    /// Share of images with siblings of other architectures
    #[arg(long, default_value_t = 0.2)]
    multi_arch_share: f64,
    /// Share of images that repeat the digest of another document
    #[arg(long, default_value_t = 0.04)]
    duplicate_share: f64,
    /// Share of documents in which a field is missing, for each field that may be
    #[arg(long, default_value_t = 0.02)]
    hole_share: f64,
    /// Certified images whose creation_date is taken away
    #[arg(long, default_value_t = 0, value_name = "N")]
    undated_images: usize,
    /// Bundles of the certified and Red Hat's organizations whose creation_date is taken away
    #[arg(long, default_value_t = 0, value_name = "N")]
    undated_bundles: usize,
    /// What stands in place of those dates
    #[arg(long, default_value = "in-turn")]
    undated_as: Undated,
    /// Certified images that come a second time under the same _id, dated earlier
    #[arg(long, default_value_t = 0, value_name = "N")]
    twin_images: usize,
    /// Bundles that come so
    #[arg(long, default_value_t = 0, value_name = "N")]
    twin_bundles: usize,
    /// End when standard input ends, as it does when the parent process is gone
    #[arg(long)]
    pub exit_with_stdin: bool,
    /// The behaviour.
    #[command(flatten)]
    knobs: KnobArgs,
}

/// A number of documents to make up, or a file of recorded ones.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    MadeUp(usize),
    Recorded(PathBuf),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(count) => Source::MadeUp(count),
            Err(_) => Source::Recorded(text.into()),
        })
    }
}

impl Source {
    fn count(&self) -> usize {
        match self {
            Source::MadeUp(count) => *count,
            Source::Recorded(_) => 0,
        }
    }
}

impl Args {
    /// The catalog that the arguments ask for.
    pub fn catalog(&self) -> io::Result<Catalog> {
        let mut catalog = Catalog::made_up(&MadeUp {
            seed: self.seed,
            images: self.images.count(),
            red_hat_images: self.red_hat_images,
            uncertified_images: self.uncertified_images,
            bundles: self.bundles.count(),
            other_bundles: self.other_bundles,
            charts: self.charts.count(),
            tie_share: self.tie_share,
            longest_tie: self.longest_tie,
            full_second_share: self.full_second_share,
            multi_arch_share: self.multi_arch_share,
            duplicate_share: self.duplicate_share,
            hole_share: self.hole_share,
        });
        if let Source::Recorded(file) = &self.images {
            catalog = catalog.with_recorded_images(file)?;
        }
        if let Source::Recorded(file) = &self.bundles {
            catalog = catalog.with_recorded_bundles(file)?;
        }
        if let Source::Recorded(file) = &self.charts {
            catalog = catalog.with_recorded_charts(file)?;
        }
        Ok(catalog
            .with_undated(self.undated_images, self.undated_bundles, self.undated_as)
            .with_twins(self.twin_images, self.twin_bundles))
    }

    /// The knobs that the arguments ask for.
    pub fn knobs(&self) -> Knobs {
        let mut knobs = Knobs::default();
        self.knobs.turn(&mut knobs);
        knobs
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn sources_are_numbers_or_files() {
        let parse = |words: &[&str]| Args::try_parse_from(words).expect("the words are right");
        let args = parse(&["standin", "--images", "12", "--charts", "index.yaml"]);
        assert_eq!(args.images, Source::MadeUp(12));
        assert_eq!(args.charts, Source::Recorded("index.yaml".into()));
        assert_eq!(parse(&["standin"]).knobs(), Knobs::default());
        assert!(args.catalog().is_err());
    }
}
