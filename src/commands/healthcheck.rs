//! `payaid healthcheck`: whether a server of this machine lives. It is what a container's health check runs, where there is no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::bail;
use clap::Args;

use crate::commands::http_get;

/// Asks a server of this machine whether it lives.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// The address that the server listens on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Asks `/livez`, and is quiet when all is well.
///
/// # Errors
/// When the server does not answer, or not with 200.
pub async fn run(args: &HealthcheckArgs) -> anyhow::Result<()> {
    match http_get::status(&reachable(args.listen).to_string(), "/livez").await? {
        200 => Ok(()),
        status => bail!("the server at {} is not well: /livez answers {status}", args.listen),
    }
}

/// A server that listens on every address is asked on the machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_machine_is_asked() {
        for (listen, asked) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:8080", "[::1]:8080"), ("10.0.0.7:1", "10.0.0.7:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
