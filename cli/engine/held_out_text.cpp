#include "cli/engine/held_out.h"

namespace slmtune::cli {

std::span<const std::string_view> held_out_passages() {
  static constexpr std::string_view kPassages[] = {
      "The harbour was quiet before sunrise. Two fishermen mended their nets on the stone steps "
      "and "
      "talked about the weather, which had been unusually calm for October. When the ferry came "
      "around the headland, they folded the nets, climbed into their boat and rowed out to meet "
      "the "
      "tide.",
      "To boil an egg, bring a small pot of water to a rolling boil. Lower the egg in with a "
      "spoon, "
      "and wait seven minutes for a soft yolk or ten for a firm one. Then hold it under cold "
      "water, "
      "so that the shell comes off easily.",
      "def mean(values):\n    \"\"\"Arithmetic mean of a list of numbers.\"\"\"\n    if not "
      "values:\n"
      "        raise ValueError(\"mean of no values\")\n    return sum(values) / len(values)\n\n\n"
      "def variance(values):\n    centre = mean(values)\n    return mean([(v - centre) ** 2 for v "
      "in "
      "values])\n",
      "Question: A train leaves at 9:40 and arrives at 12:05. How long does the journey "
      "take?\nAnswer: "
      "From 9:40 to 12:00 it is two hours and twenty minutes, and five minutes more make two hours "
      "and "
      "twenty-five minutes.",
      "Der Schnee lag noch auf den Feldern, als der Brief ankam. Anna legte ihn ungeöffnet auf den "
      "Tisch, kochte Tee und sah lange aus dem Fenster. Erst am Abend nahm sie ein Messer, schnitt "
      "den Umschlag auf und las die drei Zeilen, die ihr Bruder geschrieben hatte.",
      "Dear Ms Kaya, thank you for your order of 14 March. One of the two lamps is out of stock "
      "and "
      "will be sent as soon as it arrives, which should be within ten days. You pay the postage "
      "only "
      "once. If you would rather have your money back, please reply to this message.",
      "Le marché s'installe chaque samedi sur la place de l'église. On y trouve du fromage, des "
      "légumes de saison et parfois des livres anciens. Vers midi, les marchands baissent leurs "
      "prix, "
      "et les habitants du quartier viennent faire leurs courses avant de rentrer déjeuner.",
      "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. In the first "
      "stage "
      "pigments in the leaf absorb light, and its energy splits water. In the second stage the "
      "plant "
      "uses that energy to bind carbon dioxide, step by step, into molecules of sugar.",
      "{\"name\": \"Ines Prado\", \"age\": 34, \"languages\": [\"Spanish\", \"English\"], "
      "\"address\": {\"street\": \"Calle Mayor 8\", \"city\": \"Toledo\", \"postcode\": "
      "\"45001\"}, "
      "\"active\": true, \"orders\": [{\"id\": 1041, \"total\": 59.9}, {\"id\": 1077, \"total\": "
      "12.5}]}",
      "The committee met for the third time this year. It approved the minutes, heard a report on "
      "the "
      "repair of the roof, and decided with five votes to two that the reading room shall stay "
      "open "
      "until eight o'clock on Thursdays. The next meeting takes place in September.",
      "SELECT customer.name, COUNT(*) AS orders, SUM(item.price * item.count) AS total\nFROM "
      "customer\n"
      "JOIN item ON item.customer_id = customer.id\nWHERE item.ordered_at >= '2024-01-01'\nGROUP "
      "BY "
      "customer.name\nORDER BY total DESC\nLIMIT 10;",
      "Once there was a clock that ran backwards. The clockmaker was ashamed of it and hid it "
      "behind a "
      "curtain. But the children of the village came every afternoon to look at it, because they "
      "said "
      "that as long as it was ticking, nobody had to go home.",
      "El río baja despacio en verano y con fuerza en primavera. Los agricultores abren entonces "
      "las "
      "compuertas y llevan el agua a los campos por canales que construyeron sus abuelos. Cada "
      "familia "
      "tiene su hora, y nadie toma más agua de la que le corresponde.",
      "If the printer does not answer, check first that it is switched on and that the cable is "
      "firmly in place. Open the lid and look for paper that is stuck. If the lamp still blinks, "
      "hold "
      "the green button for five seconds: the printer starts again and prints a test page.",
      "User: Can I change my appointment?\nAssistant: Yes. Appointments can be moved until 24 "
      "hours "
      "before they begin. Which day would suit you better?\nUser: Friday morning, "
      "please.\nAssistant: "
      "Friday at 9:30 or at 11:00 is free. Which of the two shall I book for you?",
      "The number 91 looks prime, but it is not: seven times thirteen is ninety-one. To test "
      "whether a "
      "number is prime, it is enough to divide it by the primes up to its square root. For 97 "
      "these "
      "are 2, 3, 5 and 7, and none of them divides it, so 97 is prime.",
  };
  return kPassages;
}

}  // namespace slmtune::cli
