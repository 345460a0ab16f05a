package ingestion

import (
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// defineSenders adds the flags on who may send events, and how many.
func (o *Options) defineSenders(flags *pflag.FlagSet) {
	key, player := &o.Limits.Key, &o.Limits.Player
	flags.BoolVar(&o.RequireKey, "require-key", false, "turn requests away that have no valid API key (gmctl keys)")
	flags.Float64Var(&key.PerSecond, "key-rate", 0, "`events` a second of one API key, unless it has a rate of its own; more are answered 429; 0: no limit")
	flags.IntVar(&key.Burst, "key-burst", 0, "`events` of one API key at once; 0: those of one second")
	flags.Float64Var(&player.PerSecond, "player-rate", 0, "`events` a second of one player; 0: no limit")
	flags.IntVar(&player.Burst, "player-burst", 0, "`events` of one player at once; 0: those of one second")
	flags.StringSliceVar(&o.Origins, "cors-origin", nil, "`origin` of web pages that may use the API, such as https://play.example, or *; may be repeated")
	flags.StringSliceVar(&o.SelfNetworks, "self-network", nil, "`CIDR` from where events are the studio's own traffic; may be repeated")
	flags.StringSliceVar(&o.Proxies, "trusted-proxy", nil, "`CIDR` of proxies whose X-Forwarded-For is believed; may be repeated")
}

// senders is what these flags mean to the service.
func (o *Options) senders(config *ingestion.Config) (err error) {
	if l := o.Limits; l.Key.PerSecond < 0 || l.Key.Burst < 0 || l.Player.PerSecond < 0 || l.Player.Burst < 0 {
		return service.Usage("a rate cannot be negative", "leave it out for no limit: gmctl serve ingestion --help")
	}
	config.RequireKey, config.Limits, config.Origins = o.RequireKey, o.Limits, o.Origins
	if config.SelfNetworks, err = networks("self-network", o.SelfNetworks); err != nil {
		return err
	}
	config.TrustedProxies, err = networks("trusted-proxy", o.Proxies)
	return err
}

func networks(flag string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, service.Usage(fmt.Sprintf("--%s %q is no network", flag, text), "write it as 203.0.113.0/24")
		}
		all = append(all, network.Masked())
	}
	return all, nil
}
