package simulate

import "time"

// market is where a player lives: what they pay in, and when they are awake.
type market struct {
	country  string // ISO 3166-1
	currency string // ISO 4217
	perUSD   float64
	decimals int           // that prices have in this currency
	offset   time.Duration // of local time from UTC
	share    float64       // of all players
}

// tier is something to buy.
type tier struct {
	sku string
	usd float64
}

// spender is how freely a player buys.
type spender struct {
	name     string
	share    float64 // of all players
	purchase float64 // probability after a level
	tiers    [2]int  // first and last tier this one buys
}

func markets() []market {
	return []market{
		{"US", "USD", 1, 2, -6 * time.Hour, 0.26},
		{"BR", "BRL", 5.4, 2, -3 * time.Hour, 0.12},
		{"IN", "INR", 84, 0, 5*time.Hour + 30*time.Minute, 0.14},
		{"JP", "JPY", 150, 0, 9 * time.Hour, 0.12},
		{"KR", "KRW", 1380, 0, 9 * time.Hour, 0.08},
		{"DE", "EUR", 0.95, 2, 1 * time.Hour, 0.14},
		{"GB", "GBP", 0.8, 2, 0, 0.14},
	}
}

func tiers() []tier {
	return []tier{
		{"gems_handful", 0.99}, {"gems_pouch", 4.99}, {"gems_sack", 9.99},
		{"season_pass", 14.99}, {"hero_bundle", 29.99}, {"gems_chest", 49.99}, {"gems_vault", 99.99},
	}
}

func spenders() []spender {
	return []spender{
		{"none", 0.82, 0, [2]int{0, 0}},
		{"minnow", 0.13, 0.01, [2]int{0, 2}},
		{"dolphin", 0.04, 0.03, [2]int{1, 4}},
		{"whale", 0.01, 0.12, [2]int{3, 6}},
	}
}

func platforms() []string { return []string{"android", "ios", "windows", "switch"} }

func referrers() []string { return []string{"organic", "ad", "friend", "store_feature"} }

func appVersions() []string { return []string{"2.7.1", "2.8.0", "2.8.2"} }

// activity is how likely a player is to start a session in each hour of their
// day, from 0 (never) to 1 (the busiest hour).
func activity(hour int) float64 {
	return [24]float64{
		0.30, 0.16, 0.08, 0.05, 0.04, 0.06, 0.14, 0.28, 0.36, 0.34, 0.34, 0.40,
		0.52, 0.48, 0.42, 0.44, 0.52, 0.64, 0.78, 0.92, 1.00, 0.96, 0.78, 0.50,
	}[hour]
}
